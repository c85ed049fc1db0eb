/** The answer to an inference: what is copied of it. */
import { expect, test } from "vitest";
import { type AnswerContext, encodeInferAnswer } from "../../../../../gateway/kserve/infer/infer-answer.ts";
import { ScriptedModels } from "../../../../support/scripted-models.ts";

const view = new ScriptedModels({
  scripts: [{ name: "m", does: "identity", maxBatchSize: 0, inputs: [], outputs: [{ name: "Y", dtype: "FP32", dims: [-1] }] }],
}).view("m", undefined);

const context = (binaryOutput: boolean): AnswerContext => ({ head: { id: "", outputs: new Map(), binaryOutput }, view, shared: new Map() });

test("the bytes of outputs go as they are: none is copied", () => {
  const data = new Uint8Array(1024 * 1024);
  const outputs = [
    { name: "Y", dtype: "FP32", shape: [262_144], data },
    { name: "NOTHING", dtype: "FP32", shape: [0], data: new Uint8Array() },
  ] as const;
  const { headers, body } = encodeInferAnswer({ model: "m", version: "1", parameters: new Map(), outputs }, context(true));
  const [json, ...blobs] = typeof body === "string" ? [] : body;
  expect(blobs.map((blob) => blob === data)).toEqual([true]);
  expect(headers["inference-header-content-length"]).toBe(String(json?.byteLength));
});
