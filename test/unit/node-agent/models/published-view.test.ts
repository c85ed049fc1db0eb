/** What clients may know of a model: its tensors, its labels, its configuration. */
import { describe, expect, test } from "vitest";
import { encodePublishedModel, parsePublishedModel } from "../../../../core/model/published-model.ts";
import { publishedView } from "../../../../node-agent/models/published-view.ts";
import { classifier, identity } from "../../../models/small-models.ts";
import { configured, OPTIONAL_BIAS, WITH_BIAS } from "./configured.ts";

const LABELED = 'output { name: "SCORES" label_filename: "labels.txt" }';

async function viewOf(model: Uint8Array, text = "", files: Readonly<Record<string, string | Uint8Array>> = {}) {
  const made = await configured(model, text, files);
  const view = await publishedView(made.configuration, { version: "1", configJson: "{}", files: made.files });
  return parsePublishedModel(encodePublishedModel(view));
}

describe("a model's view", () => {
  test("has its tensors as clients send and see them", async () => {
    expect(await viewOf(identity("f16"), "max_batch_size: 8")).toEqual({
      name: "m",
      version: "1",
      platform: "onnxruntime_onnx",
      maxBatchSize: 8,
      decoupled: false,
      inputs: [{ name: "INPUT0", dtype: "FP16", shape: [-1, -1], optional: false, ragged: false, labels: [] }],
      outputs: [{ name: "OUTPUT0", dtype: "FP16", shape: [-1, -1], optional: false, ragged: false, labels: [] }],
      configJson: "{}",
    });
  });

  test("says whether a request may run once more when its node is lost (parameter retry)", async () => {
    const retry = (value: string) => viewOf(identity("f32"), `parameters { key: "retry" value { string_value: "${value}" } }`);
    expect((await retry("never")).runsOnce).toBe(true);
    expect((await retry("lost")).runsOnce).toBeUndefined();
    await expect(retry("twice")).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "model 'm': parameter 'retry' is \"twice\": write lost or never",
    });
  });

  test("says which inputs may be left out", async () => {
    const { inputs } = await viewOf(OPTIONAL_BIAS, WITH_BIAS);
    expect(inputs).toContainEqual(expect.objectContaining({ name: "BIAS", optional: true }));
  });

  test.each([
    ["a\nb\nc", ["a", "b", "c"]],
    ["a\nb\n", ["a", "b"]],
    ["a\r\nb\r\n", ["a", "b"]],
    ["a\n\nc\n", ["a", "", "c"]],
    ["", []],
  ])("has the labels of the file %j, one a line", async (content, labels) => {
    expect((await viewOf(classifier(2, 3), LABELED, { "labels.txt": content })).outputs).toMatchObject([{ labels }]);
  });

  test("cannot be made without its label file, or with one that is too large", async () => {
    await expect(viewOf(classifier(2, 3), LABELED)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("'labels.txt'"),
    });
    const large = { "labels.txt": new Uint8Array(4 * 1024 * 1024 + 1) };
    await expect(viewOf(classifier(2, 3), LABELED, large)).rejects.toThrow(
      "label file 'labels.txt' has 4194305 bytes, at most 4194304 are read",
    );
  });
});
