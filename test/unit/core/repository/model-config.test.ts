/** Configurations of models in a repository are read for every version; what the file says is what the runtime says. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { readModelConfig } from "../../../../core/repository/model-config.ts";
import { OrtRuntime } from "../../../../node-agent/ort/runtime.ts";
import { Session } from "../../../../node-agent/ort/session.ts";
import { type GraphPort, readSignature } from "../../../../node-agent/ort/signature.ts";
import { accumulate, addSub, classifier, failing, identity, optionalBias, scalars, slow } from "../../../models/small-models.ts";

const folder = mkdtempSync(path.join(tmpdir(), "nereid-onnx-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
const runtime = OrtRuntime.open();

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const filesOf = (files: Readonly<Record<string, Uint8Array>>) => memoryModelFiles(new Map(Object.entries(files)));

const DTYPES = ["f32", "f64", "f16", "bf16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool", "string"] as const;
const MODELS: readonly (readonly [name: string, file: Uint8Array])[] = [
  ["add_sub", addSub()],
  ["classifier", classifier(8, 3)],
  ["slow", slow(20)],
  ["failing", failing()],
  ["bias", optionalBias()],
  ["scalars", scalars()],
  ["accumulate", accumulate()],
  ...DTYPES.map((dtype) => [`identity_${dtype}`, identity(dtype)] as const),
];

describe("the configuration of a model", () => {
  test.each(MODELS)("of %s, read from the file alone, agrees with the runtime", async (name, file) => {
    writeFileSync(path.join(folder, "model.onnx"), file);
    using session = new Session(runtime, path.join(folder, "model.onnx"));
    const opened = readSignature(session);
    const { versions } = await readModelConfig(filesOf({ "1/model.onnx": file }), { model: name });
    const configuration = versions.get(1)?.configuration;
    const sizes = ({ dims }: GraphPort) => dims.map((size) => (typeof size === "number" ? size : -1));
    const seen = (ports: readonly GraphPort[]) => ports.map((port) => ({ name: port.name, shape: sizes(port) }));
    const own = (tensors: readonly { name: string; dims: readonly number[]; reshape: readonly number[] | undefined }[]) =>
      tensors.map(({ name: tensor, dims, reshape }) => ({
        name: tensor,
        shape: [...((configuration?.maxBatchSize ?? 0) > 0 ? [-1] : []), ...(reshape ?? dims)],
      }));
    expect(own(configuration?.inputs ?? [])).toEqual(seen(opened.inputs));
    // A scalar that is not reshaped is shown as one element.
    expect(own(configuration?.outputs ?? [])).toEqual(
      seen(opened.outputs).map((port) => (port.shape.length === 0 ? { ...port, shape: [1] } : port)),
    );
  });

  test("is made for every version that the policy wants, from that version's file", async () => {
    const files = filesOf({
      "config.pbtxt": text("version_policy { all { } }"),
      "1/model.onnx": identity("f32", [4]),
      "2/model.onnx": identity("i32", ["n", 2]),
      "old/model.onnx": text("ignored"),
    });
    const { versions, file } = await readModelConfig(files, { model: "m" });
    expect(file).toBe("config.pbtxt");
    expect([...versions.keys()]).toEqual([2, 1]);
    expect(versions.get(1)?.configuration).toMatchObject({ maxBatchSize: 0, inputs: [{ dtype: "FP32", dims: [4] }] });
    expect(versions.get(2)?.configuration).toMatchObject({ maxBatchSize: 4, inputs: [{ dtype: "INT32", dims: [2] }] });
  });

  test("comes from the chosen configuration, the file's, or a client's, in this order backward", async () => {
    const files = filesOf({
      "config.pbtxt": text("max_batch_size: 2"),
      "configs/big.pbtxt": text("max_batch_size: 64"),
      "1/model.onnx": identity(),
    });
    const batchOf = async (options: { configName?: string; override?: string }) =>
      (await readModelConfig(files, { model: "m", ...options })).versions.get(1)?.configuration?.maxBatchSize;
    expect(await batchOf({})).toBe(2);
    expect(await batchOf({ configName: "big" })).toBe(64);
    expect(await batchOf({ configName: "absent" })).toBe(2);
    expect(await batchOf({ configName: "big", override: '{"max_batch_size":8}' })).toBe(8);
  });

  test("may lie beside a model file of another name, or a folder of one", async () => {
    const named = await readModelConfig(
      filesOf({ "config.pbtxt": text('default_model_filename: "a.onnx" backend: "onnxruntime"'), "1/a.onnx": identity() }),
      { model: "m" },
    );
    expect(named.versions.get(1)?.problems).toEqual([]);
    const large = await readModelConfig(filesOf({ "1/model.onnx/model.onnx": identity(), "1/model.onnx/weights": text("x") }), {
      model: "m",
    });
    expect(large.versions.get(1)?.problems).toEqual([]);
  });

  test("must be complete when nothing may be filled in", async () => {
    const files = filesOf({ "config.pbtxt": text('input { name: "INPUT0" }'), "1/model.onnx": identity() });
    const { versions } = await readModelConfig(files, { model: "m", autoComplete: false });
    expect(versions.get(1)?.problems[0]?.message).toBe("model input 'INPUT0' must specify 'data_type' for m");
  });

  test("cannot be made for a model file that is absent or damaged, which says which file", async () => {
    const absent = filesOf({ "config.pbtxt": text('backend: "onnxruntime"'), "1/other.onnx": identity() });
    await expect(readModelConfig(absent, { model: "m" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: `unable to find '1/model.onnx' for model 'm': rename 1/other.onnx to model.onnx, or write default_model_filename: "other.onnx"`,
    });
    const damaged = filesOf({ "1/model.onnx": text("no model") });
    await expect(readModelConfig(damaged, { model: "m" })).rejects.toMatchObject({
      code: "DATA_LOSS",
      message: expect.stringMatching(/^1\/model\.onnx: no ONNX model/),
    });
  });

  test.each([
    ["version https://git-lfs.github.com/spec/v1\noid sha256:1", "is a pointer of Git LFS: fetch the file with git lfs pull"],
    ["<!DOCTYPE html><html>", "is a web page or XML: download the file itself"],
    ["", "is empty: export or copy the file again"],
  ])("says what a file is that is no model: %j", async (content, what) => {
    const read = readModelConfig(filesOf({ "1/model.onnx": text(content) }), { model: "m" });
    await expect(read).rejects.toMatchObject({ code: "DATA_LOSS", message: `1/model.onnx ${what}` });
  });

  test("of one version does not depend on the files of the others", async () => {
    const files = filesOf({
      "config.pbtxt": text("version_policy { all { } }"),
      "1/model.onnx": identity(),
      "2/model.onnx": text("no model"),
    });
    const { versions } = await readModelConfig(files, { model: "m", only: 1 });
    expect([...versions.keys()]).toEqual([1]);
    await expect(readModelConfig(files, { model: "m" })).rejects.toThrow("2/model.onnx");
  });
});
