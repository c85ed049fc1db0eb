/** Requests become batches and results become answers: joining, cutting, reshaping, ragged inputs. */
import { describe, expect, test } from "vitest";
import type { BatchInputKind } from "../../../../../core/model/config/configuration.ts";
import { joinBytesElements, type Tensor } from "../../../../../core/tensor/tensor.ts";
import { BatchAssembler } from "../../../../../node-agent/engines/batch/assemble.ts";
import { batchInputs } from "../../../../../node-agent/engines/batch/batch-inputs.ts";
import { RequestForms } from "../../../../../node-agent/engines/batch/request-form.ts";
import { reshaped } from "../../../../../node-agent/engines/batch/reshape.ts";
import { ResultSplitter } from "../../../../../node-agent/engines/batch/split.ts";
import { ints, planOf, request, valuesOf } from "./batch-world.ts";

const input = (name: string, fields: { dims?: number[]; reshape?: number[]; optional?: boolean; ragged?: boolean } = {}) => ({
  name,
  dims: fields.dims ?? [-1],
  reshape: fields.reshape,
  optional: fields.optional ?? false,
  ragged: fields.ragged ?? false,
});

const output = (name: string, fields: { dims?: number[]; reshape?: number[]; shapedLike?: string } = {}) => ({
  name,
  dims: fields.dims ?? [-1],
  reshape: fields.reshape,
  shapedLike: fields.shapedLike,
});

const texts = (name: string, ...elements: readonly string[]): Tensor => ({
  name,
  dtype: "BYTES",
  shape: [elements.length, 1],
  data: joinBytesElements(elements.map((text) => new TextEncoder().encode(text))),
});

const submit = (inputs: readonly Tensor[], outputs: readonly string[] = []) => request([], { inputs, outputs });
const member = (inputs: readonly Tensor[], outputs: readonly string[] = []) => ({
  submit: submit(inputs, outputs),
  rows: inputs[0]?.shape[0] ?? 1,
});

describe("a batch", () => {
  test("joins its requests' inputs as parts, without a copy", () => {
    const [a, b] = [ints("x", [1, 2], [1, 2]), ints("x", [2, 2], [3, 4, 5, 6])];
    const { inputs } = new BatchAssembler(planOf()).assemble([submit([a]), submit([b])]);
    expect(inputs).toEqual([{ head: { name: "x", dtype: "INT32", shape: [3, 2] }, parts: [a.data, b.data] }]);
    expect(inputs[0]?.parts[0]).toBe(a.data);
  });

  test("asks for what any of its requests wants, in the plan's order", () => {
    const plan = planOf({ outputs: ["a", "b", "c"].map((name) => output(name)) });
    const wanted = (...outputs: readonly (readonly string[])[]) =>
      new BatchAssembler(plan).assemble(outputs.map((names) => submit([ints("x", [1, 1], [1])], names))).outputs;
    expect(wanted(["c"], ["a"])).toEqual(["a", "c"]);
    expect(wanted(["c"], [])).toEqual(["a", "b", "c"]);
    expect(wanted(["b"])).toEqual(["b"]);
  });

  test("gives the model the shapes that it takes, and clients those that they know", () => {
    const plan = planOf({
      inputs: [input("x", { dims: [2, -1], reshape: [-1, 2, 1] })],
      outputs: [output("y", { dims: [1], reshape: [] })],
    });
    const { inputs } = new BatchAssembler(plan).assemble([1, 2].map(() => submit([ints("x", [1, 2, 3], [1, 2, 3, 4, 5, 6])])));
    expect(inputs[0]?.head.shape).toEqual([2, 3, 2, 1]);
    const answers = new ResultSplitter(plan).split(
      [ints("y", [2], [7, 8])],
      [member([ints("x", [1, 1], [0])]), member([ints("x", [1, 1], [0])])],
    );
    expect(answers.map(([y]) => [y?.shape, y === undefined ? [] : valuesOf(y)])).toEqual([
      [[1, 1], [7]],
      [[1, 1], [8]],
    ]);
  });

  test("of ragged inputs is flat, with what the model needs to tell requests apart", () => {
    const plan = planOf({
      inputs: [input("x", { ragged: true })],
      batchInputs: [{ kind: "BATCH_ACCUMULATED_ELEMENT_COUNT", targets: ["ENDS"], dtype: "FP32", source: "x" }],
    });
    const { inputs } = new BatchAssembler(plan).assemble([submit([ints("x", [1, 3], [1, 2, 3])]), submit([ints("x", [1, 1], [4])])]);
    expect(inputs.map(({ head }) => head)).toEqual([
      { name: "x", dtype: "INT32", shape: [4] },
      { name: "ENDS", dtype: "FP32", shape: [2] },
    ]);
    expect([...new Float32Array(inputs[1]?.parts[0]?.slice().buffer ?? [])]).toEqual([3, 4]);
  });
});

test.each<[BatchInputKind, readonly number[], readonly number[]]>([
  ["BATCH_ELEMENT_COUNT", [2], [6, 4]],
  ["BATCH_ACCUMULATED_ELEMENT_COUNT", [2], [6, 10]],
  ["BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", [3], [0, 6, 10]],
  ["BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", [6], [0, 0, 0, 0, 0, 0]],
  ["BATCH_ITEM_SHAPE", [3, 2], [3, 1, 3, 1, 2, 2]],
  ["BATCH_ITEM_SHAPE_FLATTEN", [6], [3, 1, 3, 1, 2, 2]],
])("%s of a batch-2 input [3,1] and a batch-1 input [2,2]", (kind, shape, values) => {
  const sources = [ints("x", [2, 3, 1], [1, 2, 3, 4, 5, 6]), ints("x", [1, 2, 2], [1, 2, 3, 4])];
  const made = batchInputs({ kind, targets: ["a", "b"], dtype: "INT32", source: "x" }, sources);
  expect(made.map(({ head }) => head)).toEqual(["a", "b"].map((name) => ({ name, dtype: "INT32", shape })));
  expect([...new Int32Array(made[0]?.parts[0]?.slice().buffer ?? [])]).toEqual(values);
});

describe("answers", () => {
  const members = [member([texts("x", "", "ab")]), member([texts("x", "c")], ["z", "y"])];

  test("have each request's rows of what it named, in its order, strings too", () => {
    const plan = planOf({ outputs: [output("y"), output("z")] });
    const outputs = [texts("y", "", "ab", "c"), ints("z", [3, 2], [1, 2, 3, 4, 5, 6])];
    const [first, second] = new ResultSplitter(plan).split(outputs, members);
    expect(first?.map(({ name, shape }) => [name, shape])).toEqual([
      ["y", [2, 1]],
      ["z", [2, 2]],
    ]);
    expect(second?.map(({ name, shape }) => [name, shape])).toEqual([
      ["z", [1, 2]],
      ["y", [1, 1]],
    ]);
    expect(first?.[0]?.data).toEqual(texts("y", "", "ab").data);
    expect(second?.[1]?.data).toEqual(texts("y", "c").data);
    expect(second?.[0]?.data.buffer).toBe(outputs[1]?.data.buffer);
  });

  test("of an output that is flat over the batch have the shape of the input that it follows", () => {
    const plan = planOf({ outputs: [output("y", { shapedLike: "x" })] });
    const ragged = [member([ints("x", [1, 3], [0, 0, 0])]), member([ints("x", [1, 1], [0])])];
    const answers = new ResultSplitter(plan).split([ints("y", [4], [1, 2, 3, 4])], ragged);
    expect(answers.map(([y]) => [y?.shape, y === undefined ? [] : valuesOf(y)])).toEqual([
      [
        [1, 3],
        [1, 2, 3],
      ],
      [[1, 1], [4]],
    ]);
    expect(() => new ResultSplitter(plan).split([ints("y", [3], [1, 2, 3])], ragged)).toThrow(/has 4 elements, the output 3/);
  });

  test("of an output without a batch dimension are refused", () => {
    const total = { ...ints("y", [], [1]) };
    expect(() => new ResultSplitter(planOf()).split([total], [member([ints("x", [1, 1], [0])])])).toThrow(/got no batch dimension/);
  });
});

test("sizes that vary keep their order in a reshaped shape", () => {
  expect(reshaped([5, 2, 4, 7, 6], { from: [2, 4, -1, 6], to: [8, -1, 1, 6], batchDimensions: 1 })).toEqual([5, 8, 7, 1, 6]);
  expect(reshaped([3, 9], { from: [-1, -1], to: [-1, 1, -1], batchDimensions: 0 })).toEqual([3, 1, 9]);
  expect(reshaped([4, 1], { from: [1], to: [], batchDimensions: 1 })).toEqual([4]);
});

describe("forms", () => {
  const formOf = (inputs: Parameters<typeof input>[1] | undefined, tensors: readonly Tensor[]) =>
    new RequestForms("m", planOf({ inputs: [input("x", inputs), input("o", { optional: true })] })).form(submit(tensors));

  test("are equal for equal shapes, whatever the batch size", () => {
    expect(formOf({}, [ints("x", [1, 3], [1, 2, 3])])).toBe(formOf({}, [ints("x", [2, 3], [1, 2, 3, 4, 5, 6])]));
    expect(formOf({}, [ints("x", [1, 3], [1, 2, 3])])).not.toBe(formOf({}, [ints("x", [1, 2], [1, 2])]));
  });

  test("tell which optional inputs there are", () => {
    const x = ints("x", [1, 1], [1]);
    expect(formOf({}, [x])).not.toBe(formOf({}, [x, ints("o", [1, 1], [1])]));
  });

  test("do not look at the shapes of ragged inputs", () => {
    expect(formOf({ ragged: true }, [ints("x", [1, 3], [1, 2, 3])])).toBe(formOf({ ragged: true }, [ints("x", [1, 1], [1])]));
  });
});
