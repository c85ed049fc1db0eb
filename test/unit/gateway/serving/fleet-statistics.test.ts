/** Statistics of a model are those of all nodes that host it, added up. */
import { describe, expect, test } from "vitest";
import { statisticsText } from "../../../../gateway/kserve/statistics-answer.ts";
import { statisticsMessage } from "../../../../gateway/kserve-grpc/statistics-message.ts";
import { turns } from "../../../support/fake-clock.ts";
import { modelRig, NEVER, published } from "./model-rig.ts";
import { told, toldOften } from "./told-statistics.ts";

describe("statistics", () => {
  test("of one node come as the node tells them", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).statistics = [told("m", 1)];
    await rig.beat();
    const duration = (count: bigint) => ({ count, ns: count * 1000n });
    expect(await rig.statistics.statistics("m", undefined, NEVER)).toEqual([
      {
        name: "m",
        version: "1",
        lastInferenceMs: 5_001n,
        inferenceCount: 8n,
        executionCount: 3n,
        durations: {
          success: duration(6n),
          fail: duration(1n),
          queue: duration(5n),
          compute_input: duration(2n),
          compute_infer: duration(3n),
          compute_output: duration(4n),
          cache_hit: duration(9n),
          cache_miss: duration(7n),
        },
        responses: [],
        batches: [{ batchSize: 1n, computeInput: duration(2n), computeInfer: duration(3n), computeOutput: duration(4n) }],
        memoryBytes: 1_000n,
      },
    ]);
  });

  test("of several nodes are added up, batches by their size, and the latest time counts, but not loads that are over", async () => {
    await using rig = await modelRig(3);
    for (const [node, times] of [1, 2, 2].entries()) {
      rig.host(node, published("m"), { replica: `m/1/${node + 1}` });
      rig.agent(node).statistics = [told("m", times), told("hosted_elsewhere", 9), { ...told("m", 50), past: true }];
    }
    await rig.beat();
    const [sum, ...others] = await rig.statistics.statistics("m", undefined, NEVER);
    expect(others).toEqual([]);
    expect(sum).toMatchObject({
      lastInferenceMs: 5_002n,
      inferenceCount: 40n,
      executionCount: 15n,
      durations: { success: { count: 30n, ns: 30_000n } },
      batches: [
        { batchSize: 1n, computeInfer: { count: 3n } },
        { batchSize: 2n, computeInfer: { count: 12n } },
      ],
    });
  });

  test("of decoupled models tell each place among a request's answers, as JSON and as protobuf", async () => {
    await using rig = await modelRig(2);
    for (const [node, times] of [1, 2].entries()) {
      rig.host(node, published("m", "1", { decoupled: true }), { replica: `m/1/${node + 1}` });
      rig.agent(node).statistics = [toldOften("m", times)];
    }
    await rig.beat();
    const [sum] = await rig.statistics.statistics("m", undefined, NEVER);
    const [three, none] = [
      { count: 3n, ns: 3000n },
      { count: 0n, ns: 0n },
    ];
    const answered = { compute_infer: three, compute_output: three, success: three, fail: none, empty_response: none, cancel: none };
    const ended = { ...answered, compute_output: none, success: none, empty_response: three };
    expect(sum?.responses).toEqual([answered, ended]);
    if (sum === undefined) return;
    const json = JSON.parse(statisticsText([sum]));
    expect(json.model_stats[0].response_stats).toMatchObject({
      0: { success: { count: 3 } },
      1: { empty_response: { count: 3, ns: 3000 } },
    });
    expect(statisticsMessage(sum).responseStats).toMatchObject({ 0: { success: three }, 1: { emptyResponse: three, cancel: none } });
  });

  test("without a name are those of all models, by name and by version", async () => {
    await using rig = await modelRig(2);
    for (const [node, model, version] of [
      [0, "b", "10"],
      [1, "b", "9"],
      [1, "a", "1"],
    ] as const)
      rig.host(node, published(model, version));
    await rig.beat();
    const all = await rig.statistics.statistics(undefined, undefined, NEVER);
    expect(all.map(({ name, version }) => `${name}/${version}`)).toEqual(["a/1", "b/9", "b/10"]);
    expect(all.every(({ inferenceCount, batches }) => inferenceCount === 0n && batches.length === 0)).toBe(true);
  });

  test("do without a node that does not answer in time", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("m"), { replica: `m/1/${node + 1}` });
    rig.agent(0).statistics = [told("m", 1)];
    rig.agent(1).statistics = "silent";
    await rig.beat();
    const asked = rig.statistics.statistics("m", undefined, NEVER);
    await turns(60);
    await rig.clock.pass(500);
    expect(await asked).toMatchObject([{ inferenceCount: 8n }]);
  });

  test("are refused in Triton's words where there is no such model, or no such version of it", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    await rig.beat();
    const { statistics } = rig;
    await expect(statistics.statistics("nobody", undefined, NEVER)).rejects.toThrow("requested model 'nobody' is not available");
    await expect(statistics.statistics("m", 9, NEVER)).rejects.toThrow("requested model version is not available for model 'm'");
  });

  test("end when the client leaves", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).statistics = "silent";
    await rig.beat();
    const client = new AbortController();
    const left = expect(rig.statistics.statistics("m", undefined, client.signal)).rejects.toThrow("gone");
    await turns(60);
    client.abort(new Error("gone"));
    await left;
  });
});
