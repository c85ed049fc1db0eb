/** Ensembles of real ONNX models, their steps on the ensemble's own node and on another one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensemble, port, preprocessor, step, times } from "../../models/ensembles.ts";
import { addSub, classifier, failing, slow } from "../../models/small-models.ts";
import { OPTIONAL_BIAS, WITH_BIAS } from "../../unit/node-agent/models/configured.ts";
import { floats, TwoNodes, valuesOf } from "./two-nodes.ts";

const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";
const [PIXELS, CLASSES] = [48, 5];
/** Of the slow model: it computes on for hundreds of milliseconds at least. */
const ROWS = 16_384;

const batched = (model: Uint8Array, more = "") => ({
  "1/model.onnx": model,
  "config.pbtxt": `max_batch_size: 8 dynamic_batching { } ${ONE_INSTANCE} ${more}`,
});

let nodes: TwoNodes;

beforeAll(async () => {
  nodes = await TwoNodes.start();
  nodes.repository
    .put("preprocess", { "1/model.onnx": preprocessor(), "config.pbtxt": ONE_INSTANCE })
    .put("classify", batched(classifier(PIXELS, CLASSES)))
    .put("double", batched(times(2)))
    .put("triple", { ...batched(times(3), "version_policy { all { } }"), "2/model.onnx": times(30) })
    .put("spare", batched(times(2)))
    .put("join", batched(addSub(["batch", "length"])))
    .put("bias", { "1/model.onnx": OPTIONAL_BIAS, "config.pbtxt": `${WITH_BIAS} ${ONE_INSTANCE}` })
    .put("lookup", { "1/model.onnx": failing(), "config.pbtxt": `max_batch_size: 0 ${ONE_INSTANCE}` })
    .put("slow", { "1/model.onnx": slow(3_000), "config.pbtxt": `max_batch_size: ${ROWS} ${ONE_INSTANCE}` })
    .put(
      "image",
      ensemble(
        [port("input", "IMAGE", "4, 4, 3", "TYPE_UINT8"), port("output", "SCORES", `${CLASSES}`)],
        [step("preprocess", { PIXELS: "IMAGE" }, { FEATURES: "features" }), step("classify", { X: "features" }, { SCORES: "SCORES" })],
      ),
    )
    .put(
      "diamond",
      ensemble(
        [port("input", "X", "-1"), port("output", "SUM", "-1"), port("output", "DIFFERENCE", "-1")],
        [
          step("join", { INPUT0: "two", INPUT1: "three" }, { OUTPUT0: "SUM", OUTPUT1: "DIFFERENCE" }),
          step("double", { IN: "X" }, { OUT: "two" }),
          step("triple", { IN: "X" }, { OUT: "three" }, 1),
        ],
      ),
    )
    .put("newest", ensemble([port("input", "X", "-1"), port("output", "Y", "-1")], [step("triple", { IN: "X" }, { OUT: "Y" })]))
    .put(
      "outer",
      ensemble(
        [port("input", "X", "-1"), port("output", "Y", "-1")],
        [
          step("diamond", { X: "X" }, { SUM: "five", DIFFERENCE: "unused" }),
          step("join", { INPUT0: "five", INPUT1: "unused" }, { OUTPUT0: "Y" }),
        ],
      ),
    );
  nodes.repository
    .put(
      "biased",
      ensemble(
        [port("input", "X", "4"), port("input", "B", "4", "TYPE_FP32", "optional: true"), port("output", "Y", "4")],
        [step("bias", { INPUT: "X", BIAS: "B" }, { OUTPUT: "Y" })],
        "max_batch_size: 0",
      ),
    )
    .put(
      "fallible",
      ensemble(
        [port("input", "I", "-1", "TYPE_INT64"), port("output", "Y", "-1")],
        [step("lookup", { INDEX: "I" }, { OUTPUT0: "Y" })],
        "max_batch_size: 0",
      ),
    )
    .put("lonely", ensemble([port("input", "X", "-1"), port("output", "Y", "-1")], [step("spare", { IN: "X" }, { OUT: "Y" })]))
    .put(
      "waits",
      ensemble(
        [port("input", "X", "16"), port("output", "Y", "16")],
        [step("slow", { INPUT0: "X" }, { OUTPUT0: "Y" })],
        `max_batch_size: ${ROWS}`,
      ),
    );
  for (const model of ["preprocess", "double", "join", "bias"]) await nodes.load(1, model);
  for (const model of ["classify", "lookup", "slow"]) await nodes.load(2, model);
  for (const version of ["1", "2"]) await nodes.load(2, "triple", { version });
  for (const model of ["image", "diamond", "newest", "outer", "biased", "fallible", "waits"]) await nodes.load(1, model);
});

afterAll(async () => {
  await nodes?.[Symbol.asyncDispose]();
});

describe("an ensemble", () => {
  test("chains a model without a batch dimension on its own node and one with it on another", async () => {
    const pixels = Uint8Array.from({ length: PIXELS }, (_, index) => index * 5);
    const image = { name: "IMAGE", dtype: "UINT8", shape: [1, 4, 4, 3], data: pixels } as const;
    const features = Float32Array.from(pixels, (value) => value * Math.fround(1 / 255));
    const expected = await nodes.infer("classify", [floats("X", [1, PIXELS], [...features])]);
    const answer = await nodes.infer("image", [image]);
    expect(answer).toMatchObject({ model: "image", version: "1", outputs: [{ name: "SCORES", dtype: "FP32", shape: [1, CLASSES] }] });
    expect(valuesOf(answer, "SCORES")).toEqual(valuesOf(expected, "SCORES"));
  });

  test("runs a diamond over both nodes, with a pinned version", async () => {
    const answer = await nodes.infer("diamond", [floats("X", [2, 2], [1, 2, 3, 4])]);
    expect([valuesOf(answer, "SUM"), valuesOf(answer, "DIFFERENCE")]).toEqual([
      [5, 10, 15, 20],
      [-1, -2, -3, -4],
    ]);
  });

  test("takes the highest version that is ready where none is pinned", async () => {
    expect(valuesOf(await nodes.infer("newest", [floats("X", [1, 1], [1])]), "Y")).toEqual([30]);
  });

  test("may have ensembles in it", async () => {
    expect(valuesOf(await nodes.infer("outer", [floats("X", [1, 2], [1, 2])]), "Y")).toEqual([4, 8]);
  });

  test("passes an optional input on, or its absence", async () => {
    expect(valuesOf(await nodes.infer("biased", [floats("X", [4], [1, 2, 3, 4])]), "Y")).toEqual([2, 3, 4, 5]);
    const given = [floats("X", [4], [1, 2, 3, 4]), floats("B", [4], [10, 10, 10, 10])];
    expect(valuesOf(await nodes.infer("biased", given), "Y")).toEqual([11, 12, 13, 14]);
  });

  test("answers a hundred requests at once, each with its own", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => nodes.infer("diamond", [floats("X", [1, 1], [index])])));
    expect(answers.map((answer) => valuesOf(answer, "SUM")[0])).toEqual(answers.map((_, index) => index * 5));
    expect((await nodes.statistics("diamond")).durations.success.count).toBeGreaterThanOrEqual(100n);
  });

  test("carries large tensors to the other node and back", async () => {
    const values = Array.from({ length: 500_000 }, (_, index) => index % 1_000);
    const answer = await nodes.infer("newest", [floats("X", [1, values.length], values)]);
    expect(valuesOf(answer, "Y")).toEqual(values.map((value) => value * 30));
  });
});

describe("trouble in a step", () => {
  const MANY = floats(
    "X",
    [ROWS, 16],
    Array.from({ length: ROWS * 16 }, (_, index) => index % 1_000),
  );

  test("is told once, with the ensemble, the step and the model, and the step's own code", async () => {
    const index = { name: "I", dtype: "INT64", shape: [1], data: new Uint8Array(BigInt64Array.of(9n).buffer) } as const;
    await expect(nodes.infer("fallible", [index])).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringMatching(/^in ensemble 'fallible', .*out of data bounds.*\(step 0, model 'lookup'\)$/s),
    });
    expect((await nodes.statistics("fallible")).durations.fail.count).toBe(1n);
  });

  test("that does not fit its model is told in Triton's words", async () => {
    const six = floats("X", [9, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await expect(nodes.infer("newest", [six])).rejects.toThrow("inference request batch-size must be <= 8 for 'newest'");
    const image = { name: "IMAGE", dtype: "UINT8", shape: [2, 4, 4, 3], data: new Uint8Array(2 * PIXELS) } as const;
    await expect(nodes.infer("image", [image])).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message:
        "in ensemble 'image', [request id: <id_unknown>] unexpected shape for input 'PIXELS' for model 'preprocess'. Expected [4,4,3], got [2,4,4,3]. ",
    });
  });

  test("a client that hangs up stops it on the other node", async () => {
    const client = new AbortController();
    const busy = nodes.untilBusy(2);
    const answer = nodes.infer("waits", [MANY], {}, client.signal);
    await busy;
    client.abort(new Error("hung up"));
    await expect(answer).rejects.toThrow("hung up");
    await nodes.untilFailed("waits", 1n);
    await nodes.untilFailed("slow", 1n);
    expect((await nodes.statistics("slow")).durations.success.count).toBe(0n);
  });

  test("a deadline that passes stops it on the other node", async () => {
    await expect(nodes.infer("waits", [MANY], { deadlineMs: 30 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await nodes.untilIdle();
    expect((await nodes.statistics("slow")).durations.success.count).toBe(0n);
  });

  test("a process that is killed in the middle is started again, and the request answered", async () => {
    const busy = nodes.untilBusy(2);
    const answer = nodes.infer("waits", [MANY]);
    await busy;
    nodes.killRunners(2);
    const [output] = (await answer).outputs;
    expect(Buffer.compare(output?.data ?? new Uint8Array(0), MANY.data)).toBe(0);
  });

  test("a model that its node has unloaded, before the gateway knows, is named", async () => {
    const replica = await nodes.load(2, "spare");
    await nodes.load(1, "lonely");
    expect(valuesOf(await nodes.infer("lonely", [floats("X", [1, 1], [2])]), "Y")).toEqual([4]);
    nodes.unload(2, replica, { gatewayKnows: false });
    await expect(nodes.infer("lonely", [floats("X", [1, 1], [2])])).rejects.toThrow(
      "in ensemble 'lonely', Request for unknown model: 'spare'",
    );
    nodes.unload(2, replica, { gatewayKnows: true });
    expect(nodes.serving.catalog.isReady("lonely", undefined)).toBe(false);
    await expect(nodes.infer("lonely", [floats("X", [1, 1], [2])])).rejects.toThrow("Request for unknown model: 'lonely'");
  });
});

test("ensembles that lead in a circle, and members that do not fit, are refused at load", async () => {
  nodes.repository
    .put("ping", ensemble([port("input", "X", "-1"), port("output", "Y", "-1")], [step("pong", { X: "X" }, { Y: "Y" })]))
    .put("pong", ensemble([port("input", "X", "-1"), port("output", "Y", "-1")], [step("ping", { X: "X" }, { Y: "Y" })]))
    .put(
      "misfit",
      ensemble([port("input", "X", "-1"), port("output", "Y", "-1", "TYPE_INT32")], [step("double", { IN: "X" }, { OUT: "Y" })]),
    );
  await expect(nodes.load(1, "ping")).rejects.toThrow("ensemble ping contains models that are not available or ambiguous: pong");
  await expect(nodes.load(1, "pong")).rejects.toThrow("circular dependency between ensembles: pong -> ... -> ping -> pong");
  await expect(nodes.load(1, "misfit")).rejects.toThrow("inconsistent data type: TYPE_INT32 is inferred from model misfit while TYPE_FP32");
});
