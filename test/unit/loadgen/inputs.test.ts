import { describe, expect, test } from "vitest";
import type { TensorMetadata } from "../../../client/answers.ts";
import { bytesElements } from "../../../core/tensor/tensor.ts";
import { readInputFile } from "../../../loadgen/input-file.ts";
import { type InputOptions, requestInputs } from "../../../loadgen/inputs.ts";

function options(inputs: readonly TensorMetadata[], given: Partial<InputOptions> = {}): InputOptions {
  const metadata = { name: "m", versions: ["1"], platform: "", inputs, outputs: [] };
  return { metadata, batched: true, batchSize: 1, shapes: new Map(), data: { kind: "zero" }, stringLength: 3, ...given };
}

const X: TensorMetadata = { name: "X", dtype: "FP32", shape: [-1, 2] };
const given = (json: unknown) => ({ kind: "given" as const, elements: readInputFile(JSON.stringify({ data: json })).flat() });
const floats = (data: Uint8Array | undefined) => [...new Float32Array(Uint8Array.from(data ?? []).buffer)];

describe("the inputs of a load", () => {
  test("have the batch in front of the model's shape, and so much data", () => {
    const [[x] = []] = requestInputs(options([X], { batchSize: 3 }));
    expect(x).toMatchObject({ name: "X", dtype: "FP32", shape: [3, 2] });
    expect(floats(x?.data)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("take the sizes that the caller says where the model leaves them open", () => {
    const open: TensorMetadata = { name: "X", dtype: "INT64", shape: [-1, -1] };
    const [[x] = []] = requestInputs(options([open], { shapes: new Map([["X", [5]]]) }));
    expect([x?.shape, x?.data.byteLength]).toEqual([[1, 5], 40]);
    expect(() => requestInputs(options([open]))).toThrow("say --shape X:N");
    expect(() => requestInputs(options([X], { shapes: new Map([["Y", [5]]]) }))).toThrow("no input 'Y', only 'X'");
  });

  test("are random with the chance that is passed in, strings of the length asked for", () => {
    const data = { kind: "random" as const, chance: () => 0.5 };
    const text: TensorMetadata = { name: "T", dtype: "BYTES", shape: [-1, 2] };
    const flag: TensorMetadata = { name: "B", dtype: "BOOL", shape: [-1, 2] };
    const [[x, t, b] = []] = requestInputs(options([X, text, flag], { data }));
    expect(floats(x?.data)).toEqual([0.5, 0.5]);
    expect(bytesElements(t?.data ?? new Uint8Array()).map(String)).toEqual(["nnn", "nnn"]);
    expect([...(b?.data ?? [])]).toEqual([1, 1]);
  });

  test("are the one string that the caller gives", () => {
    const text: TensorMetadata = { name: "T", dtype: "BYTES", shape: [-1, 2] };
    const [[t] = []] = requestInputs(options([text], { stringData: "sea" }));
    expect(bytesElements(t?.data ?? new Uint8Array()).map(String)).toEqual(["sea", "sea"]);
  });

  test("come from a folder's files: numbers as their bytes, strings one a line", () => {
    const text: TensorMetadata = { name: "T", dtype: "BYTES", shape: [-1, 2] };
    const file = (bytes: Uint8Array) => ({ shape: undefined, content: { kind: "file" as const, bytes } });
    const elements = [
      new Map([
        ["X", file(new Uint8Array(Float32Array.of(7, 8).buffer))],
        ["T", file(Buffer.from("one\ntwo words\n"))],
      ]),
    ];
    const [[x, t] = []] = requestInputs(options([X, text], { data: { kind: "given", elements } }));
    expect(floats(x?.data)).toEqual([7, 8]);
    expect(bytesElements(t?.data ?? new Uint8Array()).map(String)).toEqual(["one", "two words"]);
  });

  test("come from a file in turn, as lists, with shapes or as bytes", () => {
    const b64 = Buffer.from(Float32Array.of(5, 6).buffer).toString("base64");
    const data = given([{ X: [1, 2] }, { X: { content: [3, 4], shape: [2] } }, { X: { b64 } }]);
    const requests = requestInputs(options([X], { data }));
    expect(requests.map(([x]) => floats(x?.data))).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const pairs = requestInputs(options([X], { data, batchSize: 2 }));
    expect(pairs.map(([x]) => floats(x?.data))).toEqual([
      [1, 2, 3, 4],
      [5, 6, 1, 2],
      [3, 4, 5, 6],
    ]);
  });

  test("may leave optional ones out, and must fit the shape", () => {
    const other: TensorMetadata = { ...X, name: "Y" };
    expect(requestInputs(options([X, other], { data: given([{ X: [1, 2] }]) }))[0]).toHaveLength(1);
    expect(() => requestInputs(options([X], { data: given([{ X: [1, 2, 3] }]) }))).toThrow("3 elements for the shape [2]");
    expect(() => requestInputs(options([X], { data: given([{ X: { b64: "AAAA" } }]) }))).toThrow("3 bytes, not 8");
    expect(() => requestInputs(options([X], { batched: false, batchSize: 2 }))).toThrow("takes no batches");
  });

  test("are refused with the form of a file when it has another one", () => {
    expect(() => readInputFile("{")).toThrow("no JSON");
    expect(() => readInputFile("{}")).toThrow('{"data"');
    expect(() => readInputFile('{"data":[{"X":{"shape":[1]}}]}')).toThrow("input 'X'");
  });
});
