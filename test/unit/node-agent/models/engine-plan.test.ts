/** An engine is planned as its model's configuration says, and what is not served is told. */
import { describe, expect, test } from "vitest";
import { enginePlan } from "../../../../node-agent/models/engine-plan.ts";
import { DYNAMIC_BATCHING, NO_POLICY } from "../../../../node-agent/scheduling/batch-options.ts";
import { addSub, failing, identity } from "../../../models/small-models.ts";
import { configured, OPTIONAL_BIAS, WITH_BIAS } from "./configured.ts";

const planOf = async (model: Uint8Array, text = "") => enginePlan((await configured(model, text)).configuration, { startAfter: 0 });

const FREE = { needs: [], priority: 1, device: 0 };

describe("the plan of an engine", () => {
  test("for a model that takes no batches runs every request alone, on two instances", async () => {
    expect(await planOf(addSub())).toEqual({
      maxBatchSize: 0,
      dynamic: undefined,
      instances: 2,
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, dims: [4], reshape: undefined, optional: false, ragged: false })),
      outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, dims: [4], reshape: undefined, shapedLike: undefined })),
      batchInputs: [],
      rates: [FREE, FREE],
    });
  });

  test("for a model that takes batches forms them without waiting", async () => {
    expect(await planOf(identity())).toMatchObject({
      maxBatchSize: 4,
      dynamic: { ...DYNAMIC_BATCHING, preferred: [4] },
      inputs: [{ dims: [-1] }],
    });
  });

  test("has the batcher's settings and its queue policies, level by level", async () => {
    const { dynamic } = await planOf(
      identity(),
      `max_batch_size: 16 dynamic_batching {
        preferred_batch_size: [8, 4] max_queue_delay_microseconds: 100 priority_levels: 3 default_priority_level: 2
        default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 7 allow_timeout_override: true max_queue_size: 5 }
        priority_queue_policy { key: 1 value { max_queue_size: 1 } } }`,
    );
    expect(dynamic).toEqual({
      preferred: [4, 8],
      delayUs: 100,
      preserveOrdering: false,
      levels: 3,
      defaultLevel: 2,
      defaultPolicy: { timeoutAction: "delay", defaultTimeoutUs: 7, allowTimeoutOverride: true, queueMax: 5 },
      policies: new Map([[1, { ...NO_POLICY, queueMax: 1 }]]),
      startAfter: 0,
    });
  });

  test("keeps the order of answers where that is wanted", async () => {
    expect((await planOf(identity(), "dynamic_batching { preserve_ordering: true }")).dynamic?.preserveOrdering).toBe(true);
  });

  test("may begin only when so many requests wait", async () => {
    const { configuration } = await configured(identity());
    expect(enginePlan(configuration, { startAfter: 3 }).dynamic?.startAfter).toBe(3);
  });

  test("adds the instances of all groups but the passive ones, each with the resources and the priority of its group", async () => {
    const plan = await planOf(
      identity(),
      `instance_group [ { count: 2 kind: KIND_CPU rate_limiter { resources { name: "R" count: 4 } priority: 3 } },
        { count: 5 kind: KIND_CPU passive: true }, { count: 1 kind: KIND_CPU } ]`,
    );
    const first = { needs: [{ name: "R", count: 4, global: false }], priority: 3, device: 0 };
    expect(plan).toMatchObject({ instances: 3, rates: [first, first, FREE] });
  });

  test("knows optional and ragged inputs, and shapes that the model sees otherwise", async () => {
    const text = 'max_batch_size: 4 input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true } ]';
    expect((await planOf(identity("f32", ["batch"]), text)).inputs).toMatchObject([{ ragged: true }]);
    expect((await planOf(OPTIONAL_BIAS, WITH_BIAS)).inputs).toContainEqual(expect.objectContaining({ name: "BIAS", optional: true }));
    expect((await planOf(failing())).inputs).toMatchObject([{ dims: [1], reshape: [] }]);
  });

  test.each([["an accelerator", "instance_group { kind: KIND_GPU }", /KIND_GPU but server does not support GPUs/]])(
    "is refused for %s",
    async (_, text, message) => {
      await expect(planOf(identity(), text)).rejects.toThrow(message);
    },
  );
});
