/** Ensembles of models that answer any number of times, on the ensemble's own node and on another one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import { ensemble, port, step } from "../../models/ensembles.ts";
import { REPEAT, SQUARE, withParameters } from "../../models/sample-backends.ts";
import { NEVER } from "../onnx/model-files.ts";
import { inferRequest, TwoNodes } from "./two-nodes.ts";

const COPY = `backend: "identity" ${port("input", "INPUT0", "1", "TYPE_INT32")} ${port("output", "OUTPUT0", "1", "TYPE_INT32")}`;
const IN = port("input", "IN", "-1", "TYPE_INT32");
const TIMES = [port("input", "DELAY", "-1", "TYPE_UINT32"), port("input", "WAIT", "1", "TYPE_UINT32")];
const Y = port("output", "Y", "1", "TYPE_INT32");
const REPEATED = step("repeat", { IN: "IN", DELAY: "DELAY", WAIT: "WAIT" }, { OUT: "out" });
const COUNT = port("input", "N", "1", "TYPE_INT32");

let nodes: TwoNodes;

beforeAll(async () => {
  nodes = await TwoNodes.start();
  nodes.repository
    .put("repeat", { "config.pbtxt": REPEAT })
    .put("square", { "config.pbtxt": SQUARE })
    .put("failing", { "config.pbtxt": withParameters(SQUARE, { CUSTOM_FAIL_COUNT: "1" }) })
    .put("copy", { "config.pbtxt": COPY })
    .put("copied", ensemble([IN, ...TIMES, Y], [REPEATED, step("copy", { INPUT0: "out" }, { OUTPUT0: "Y" })], ""))
    .put(
      "outer",
      ensemble(
        [IN, ...TIMES, Y],
        [step("copied", { IN: "IN", DELAY: "DELAY", WAIT: "WAIT" }, { Y: "copies" }), step("copy", { INPUT0: "copies" }, { OUTPUT0: "Y" })],
        "",
      ),
    )
    .put("fails", ensemble([COUNT, Y], [step("failing", { IN: "N" }, { OUT: "Y" })], ""))
    .put("many", ensemble([COUNT, Y], [step("square", { IN: "N" }, { OUT: "m" }), step("copy", { INPUT0: "m" }, { OUTPUT0: "Y" })], ""));
  await nodes.load(1, "copy");
  for (const model of ["repeat", "square", "failing"]) await nodes.load(2, model);
  for (const model of ["copied", "outer", "fails", "many"]) await nodes.load(1, model);
});

afterAll(async () => {
  await nodes?.[Symbol.asyncDispose]();
});

const numbers = (name: string, dtype: "INT32" | "UINT32", values: readonly number[]): Tensor => ({
  name,
  dtype,
  shape: [values.length],
  data: new Uint8Array(Int32Array.from(values).buffer),
});

const values = (...given: readonly number[]) => [
  numbers("IN", "INT32", given),
  numbers(
    "DELAY",
    "UINT32",
    given.map(() => 0),
  ),
  numbers("WAIT", "UINT32", [0]),
];

/** The numbers that come, and what the request fails with, if it does. */
async function answers(model: string, inputs: readonly Tensor[]) {
  const came: number[] = [];
  try {
    for await (const { outputs } of nodes.serving.inference.responses(inferRequest(model, inputs), NEVER))
      for (const { data } of outputs) came.push(new DataView(data.buffer, data.byteOffset).getInt32(0, true));
  } catch (thrown) {
    return { came, failure: thrown };
  }
  return { came };
}

describe("an ensemble of a model on another node that answers any number of times", () => {
  test("runs what comes after it, here, for each answer, in their order", async () => {
    expect(await answers("copied", values(5, 3, 9))).toEqual({ came: [5, 3, 9] });
    expect(await answers("copied", values())).toEqual({ came: [] });
  });

  test("may be a step of another one", async () => {
    expect(await answers("outer", values(1, 2))).toEqual({ came: [1, 2] });
  });

  test("brings thousands of answers through, none lost", async () => {
    expect(await answers("many", [numbers("N", "INT32", [3_000])])).toEqual({ came: Array(3_000).fill(3_000) });
  });

  test("gives the good answers before the failure, which names the ensemble and the model", async () => {
    expect(await answers("fails", [numbers("N", "INT32", [3])])).toMatchObject({
      came: [3, 3],
      failure: { code: "UNKNOWN", message: "in ensemble 'fails', simulated failure (step 0, model 'failing')" },
    });
  });

  test("that nobody reads any more ends the model there", async () => {
    for await (const _first of nodes.serving.inference.responses(inferRequest("many", [numbers("N", "INT32", [1_000_000])]), NEVER)) break;
    await nodes.untilIdle();
    await nodes.untilFailed("square", 1n);
  });
});
