/** Triton's `--backend-config`, as command lines for tritonserver have it. */
import { expect, test } from "vitest";
import { configReading, SOURCE_SETTINGS } from "../../../../cli/settings/repository-settings.ts";
import { readSettings } from "../../../../core/settings.ts";

const readingOf = (...entries: readonly string[]) =>
  configReading(readSettings(SOURCE_SETTINGS, { flags: ["--backend-config", entries.join(";")], environment: {} }));

test("sets batch size and threads of ONNX models that do not say, from any number of entries", () => {
  const entries = ["onnxruntime,default-max-batch-size=16", "onnxruntime,intra_op_thread_count=2", "onnxruntime,inter_op_thread_count=1"];
  expect(readingOf(...entries)).toEqual({
    defaultMaxBatchSize: 16,
    parameters: new Map([
      ["intra_op_thread_count", "2"],
      ["inter_op_thread_count", "1"],
    ]),
  });
  expect(readingOf(",default-max-batch-size=8")).toMatchObject({ defaultMaxBatchSize: 8 });
});

test.each(["s3://bucket/models", "gs://bucket", "as://account/container"])("object stores are refused with what to do: %s", (models) => {
  expect(() => readSettings(SOURCE_SETTINGS, { flags: ["--models", models], environment: {} })).toThrow("mount or copy them");
});

test("changes nothing for backends and pools that are not here", () => {
  const nothing = { parameters: new Map() };
  expect(readingOf("python,shm-default-byte-size=4194304", "tensorflow,version=2", "onnxruntime,enable-global-threadpool=1")).toEqual(
    nothing,
  );
});

test.each(["onnxruntime,default-max-batch-size=many", "onnxruntime,intra_op_thread_count=", "onnxruntime,arena=1", "onnxruntime"])(
  "is refused with what there is: %s",
  (entry) => {
    expect(() => readingOf(entry)).toThrow("of onnxruntime default-max-batch-size, intra_op_thread_count and inter_op_thread_count");
  },
);
