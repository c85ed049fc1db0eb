/** The written model, read back by a reader that knows protobuf and nothing else. */
import { describe, expect, test } from "vitest";
import { OnnxGraph } from "../../../../partitioner/graph/onnx-graph.ts";
import { ProtobufMessage } from "../../../../partitioner/graph/protobuf.ts";

type Field = bigint | Uint8Array;

/** Fields by number, in order. Source: protobuf.dev, "Encoding". */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, readonly Field[]> {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++] ?? 0);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const length = (tag & 7) === 5 ? 4 : (tag & 7) === 2 ? Number(varint()) : 0;
    const value = (tag & 7) === 0 ? varint() : bytes.subarray(at, at + length);
    at += length;
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

const bytesAt = (fields: ReadonlyMap<number, readonly Field[]>, number: number): readonly Uint8Array[] =>
  (fields.get(number) ?? []).filter((field) => field instanceof Uint8Array);
const textsAt = (fields: ReadonlyMap<number, readonly Field[]>, number: number): readonly string[] =>
  bytesAt(fields, number).map((bytes) => new TextDecoder().decode(bytes));
const only = (fields: ReadonlyMap<number, readonly Field[]>, number: number) => fieldsOf(bytesAt(fields, number)[0] ?? new Uint8Array());

describe("protobuf", () => {
  test.each([
    [0, [0x08, 0]],
    [127, [0x08, 127]],
    [300, [0x08, 0xac, 2]],
    [-1, [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
  ])("the number %d is written as the specification says", (value, bytes) => {
    expect([...new ProtobufMessage().int(1, value).encode()]).toEqual(bytes);
  });

  test("texts, floats and messages nest", () => {
    const inner = new ProtobufMessage().text(2, "é").float(3, 1);
    expect([...new ProtobufMessage().message(20, inner).encode()]).toEqual([0xa2, 1, 9, 0x12, 2, 0xc3, 0xa9, 0x1d, 0, 0, 0x80, 0x3f]);
  });
});

describe("an ONNX graph", () => {
  test("has its nodes, attributes, inputs, outputs and versions where onnx.proto has them", () => {
    const graph = new OnnxGraph("weights.bin");
    graph.input("x", "float", ["B", 4]);
    const attributes = { axis: -1, mode: "fast", sizes: [1, 300], epsilon: { float: 0.5 } };
    graph.node("Thing", ["x", ""], ["y"], { domain: "com.microsoft", attributes });
    graph.output("y", "int64", []);
    const model = fieldsOf(graph.encode());
    expect(model.get(1)).toEqual([10n]);
    expect(bytesAt(model, 8).map((opset) => fieldsOf(opset).get(2))).toEqual([[21n], [1n]]);
    const node = only(only(model, 7), 1);
    expect([textsAt(node, 1), textsAt(node, 2), textsAt(node, 4), textsAt(node, 7)]).toEqual([
      ["x", ""],
      ["y"],
      ["Thing"],
      ["com.microsoft"],
    ]);
    const written = bytesAt(node, 5).map(fieldsOf);
    expect(written.map((attribute) => [textsAt(attribute, 1)[0], attribute.get(20)?.[0]])).toEqual([
      ["axis", 2n],
      ["mode", 3n],
      ["sizes", 7n],
      ["epsilon", 1n],
    ]);
    expect(written[0]?.get(3)).toEqual([2n ** 64n - 1n]);
    expect(written[2]?.get(8)).toEqual([1n, 300n]);
    const tensorType = only(only(only(only(model, 7), 11), 2), 1);
    expect(tensorType.get(1)).toEqual([1n]);
    expect(
      bytesAt(only(tensorType, 2), 1).map((dimension) => [textsAt(fieldsOf(dimension), 2)[0], fieldsOf(dimension).get(1)?.[0]]),
    ).toEqual([
      ["B", undefined],
      [undefined, 4n],
    ]);
  });

  test("external tensors begin at pages, and may share their bytes", () => {
    const graph = new OnnxGraph("weights.bin");
    const first = graph.reserve(10);
    const second = graph.reserve(5000);
    expect([first, second, graph.externalBytes]).toEqual([0, 4096, 9096]);
    graph.external("a", "uint8", [50, 100], { offset: second, bytes: 5000 });
    graph.external("b", "uint8", [5000], { offset: second, bytes: 5000 });
    graph.external("a", "uint8", [50, 100], { offset: second, bytes: 5000 });
    const tensors = bytesAt(only(fieldsOf(graph.encode()), 7), 5).map(fieldsOf);
    expect(tensors.map((tensor) => [textsAt(tensor, 8)[0], tensor.get(1), tensor.get(14)])).toEqual([
      ["a", [50n, 100n], [1n]],
      ["b", [5000n], [1n]],
    ]);
    for (const tensor of tensors) {
      const entries = bytesAt(tensor, 13).map((entry) => [textsAt(fieldsOf(entry), 1)[0], textsAt(fieldsOf(entry), 2)[0]]);
      expect(Object.fromEntries(entries)).toEqual({ location: "weights.bin", offset: "4096", length: "5000" });
    }
  });

  test("small constants lie in the model, once a name", () => {
    const graph = new OnnxGraph("weights.bin");
    expect([graph.wholeNumbers("axes", [-1]), graph.wholeNumbers("axes", [-1])]).toEqual(["axes", "axes"]);
    const tensors = bytesAt(only(fieldsOf(graph.encode()), 7), 5).map(fieldsOf);
    expect(tensors).toHaveLength(1);
    expect(tensors[0] && bytesAt(tensors[0], 9)[0]).toEqual(new Uint8Array(8).fill(255));
  });
});
