/** The signature of an ONNX file is read in small pieces, whatever lies between them, and damage is told. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { readOnnxSignature } from "../../../../core/model/onnx-signature.ts";
import type { ModelSignature } from "../../../../core/wire/model-runner.ts";
import { type ModelDtype, OnnxModel } from "../../../models/onnx-model.ts";
import { accumulate, addSub, identity, optionalBias, scalars } from "../../../models/small-models.ts";

const RANGE_BYTES_MAX = 16 * 1024;

interface ReadFile {
  readonly signature: ModelSignature;
  readonly reads: number;
  readonly bytes: number;
}

function read(file: Uint8Array): ReadFile {
  const reader = readOnnxSignature(file.length);
  let [reads, bytes] = [0, 0];
  for (let step = reader.next(); ; ) {
    if (step.done === true) return { signature: step.value, reads, bytes };
    const { offset, length } = step.value;
    if (length > RANGE_BYTES_MAX || offset + length > file.length) throw new Error(`a range of ${length} bytes at ${offset} is asked for`);
    reads++;
    bytes += length;
    step = reader.next(file.slice(offset, offset + length));
  }
}

const DTYPES: readonly (readonly [ModelDtype, string])[] = [
  ["f32", "FP32"],
  ["f64", "FP64"],
  ["f16", "FP16"],
  ["bf16", "BF16"],
  ["i8", "INT8"],
  ["i16", "INT16"],
  ["i32", "INT32"],
  ["i64", "INT64"],
  ["u8", "UINT8"],
  ["u16", "UINT16"],
  ["u32", "UINT32"],
  ["u64", "UINT64"],
  ["bool", "BOOL"],
  ["string", "BYTES"],
];

describe("the signature of an ONNX file", () => {
  test("has names, datatypes and shapes in the order of the file; a size with a name is -1", () => {
    expect(read(addSub(["n", 4], "i32")).signature).toEqual({
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, dtype: "INT32", shape: [-1, 4], optional: false })),
      outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, dtype: "INT32", shape: [-1, 4], optional: false })),
    });
    expect(read(scalars()).signature.outputs).toMatchObject([{ shape: [] }, { shape: [-1] }]);
    expect(read(accumulate()).signature.inputs.map(({ name }) => name)).toEqual([
      "INPUT",
      "START",
      "READY",
      "END",
      "INPUT_STATE",
      "CORRID",
    ]);
  });

  test.each(DTYPES)("knows datatype %s as %s", (dtype, name) => {
    expect(read(identity(dtype)).signature.inputs[0]?.dtype).toBe(name);
  });

  test("puts inputs that have a value last, as optional; before version 4 of the format they are none", () => {
    expect(read(optionalBias()).signature.inputs).toEqual([
      { name: "INPUT0", dtype: "FP32", shape: [-1, 4], optional: false },
      { name: "BIAS", dtype: "FP32", shape: [4], optional: true },
    ]);
    const old = new OnnxModel()
      .input("W", "f32", [1])
      .input("X", "f32", [1])
      .constant("W", [1], Float32Array.of(1))
      .output("Y", "f32", [1]);
    expect(read(old.finish(3)).signature.inputs.map(({ name }) => name)).toEqual(["X"]);
  });

  test("needs some kilobytes of a file of megabytes: weights stay unread", () => {
    const model = new OnnxModel().input("X", "f32", [1]);
    for (let layer = 0; layer < 8; layer++) model.constant(`W${layer}`, [256, 1024], new Float32Array(256 * 1024));
    const file = model.output("Y", "f32", [1]).finish();
    const { signature, bytes } = read(file);
    expect(file.length).toBeGreaterThan(8_000_000);
    expect(bytes).toBeLessThan(400_000);
    expect(signature).toMatchObject({ inputs: [{ name: "X" }], outputs: [{ name: "Y" }] });
  });

  test("is read from graphs of any number of nodes", () => {
    const model = new OnnxModel().input("X0", "f32", [1]).output("X4000", "f32", [1]);
    for (let node = 0; node < 4000; node++) model.node({ op: "Identity", inputs: [`X${node}`], outputs: [`X${node + 1}`] });
    expect(read(model.finish()).signature.outputs).toMatchObject([{ name: "X4000" }]);
  });
});

describe("a file that is no ONNX model", () => {
  test.each([
    ["nothing", new Uint8Array()],
    ["a text", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n")],
    ["half a model", addSub().slice(0, 60)],
  ])("is told as such: %s", (_, file) => {
    expect(() => read(file)).toThrow(
      expect.objectContaining({ code: "DATA_LOSS", message: expect.stringMatching(/^no ONNX model: .* at byte \d+/) }),
    );
  });

  test("never makes the reader fail in another way, or read outside of it", () => {
    const models = [addSub(), optionalBias(), scalars()];
    const damage = fc.record({
      model: fc.nat(models.length - 1),
      cut: fc.nat(400),
      changes: fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(damage, ({ model, cut, changes }) => {
        const file = models[model]?.slice() ?? new Uint8Array();
        for (const [at, byte] of changes) if (at < file.length) file[at] = byte;
        try {
          read(file.subarray(0, file.length - (cut < 100 ? cut : 0)));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(ServingError);
        }
      }),
      { seed: 20_260_801, numRuns: 2_000 },
    );
  });

  test("but one of values that cannot be served says which", () => {
    const model = new OnnxModel().input("X", "f32", [1]).output("Y", "f32", [1]).finish();
    const text = new TextDecoder("latin1").decode(model);
    const type = text.indexOf("Y", text.indexOf("X")) + 3; // name, key and length of the type, then its first field's key
    model[type] = 0x22; // sequence_type instead of tensor_type
    expect(() => read(model)).toThrow("Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'Y', expected 'ONNX_TYPE_TENSOR'.");
    model[type] = 0x0a;
    for (const [number, dtype] of [
      [14, "COMPLEX64"],
      [17, "FLOAT8E4M3FN"],
      [21, "UINT4"],
      [22, "INT4"],
      [99, "99"],
    ] as const) {
      model[type + 3] = number;
      expect(() => read(model)).toThrow(`'Y' has ONNX datatype ${dtype}, which requests cannot carry: cast it to another one in the model`);
    }
  });
});
