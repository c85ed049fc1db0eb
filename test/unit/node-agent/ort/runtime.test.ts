import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Binding } from "../../../../node-agent/ort/binding.ts";
import { RunOptions } from "../../../../node-agent/ort/run-options.ts";
import { type HandleKind, OrtRuntime } from "../../../../node-agent/ort/runtime.ts";
import { Session } from "../../../../node-agent/ort/session.ts";
import { Value } from "../../../../node-agent/ort/value.ts";
import { OnnxModel } from "../../../models/onnx-model.ts";

const folder = mkdtempSync(path.join(tmpdir(), "nereid-ort-"));
afterAll(() => rmSync(folder, { recursive: true }));
const runtime = OrtRuntime.open();
const KINDS: readonly HandleKind[] = ["session", "session options", "value", "binding", "run options"];
const live = () => KINDS.map((kind) => runtime.live(kind));

/** y = x + x, [N] f32. */
function doubling(): string {
  const model = new OnnxModel().input("x", "f32", ["N"]).output("y", "f32", ["N"]);
  return write("double.onnx", model.node({ op: "Add", inputs: ["x", "x"], outputs: ["y"] }));
}

/** A chain of matrix products that takes a good while, [512, 512] f32. */
function slow(products: number): string {
  const model = new OnnxModel().input("x0", "f32", [512, 512]).output(`x${products}`, "f32", [512, 512]);
  for (let index = 0; index < products; index++) model.node({ op: "MatMul", inputs: [`x${index}`, "x0"], outputs: [`x${index + 1}`] });
  return write(`slow-${products}.onnx`, model);
}

function write(name: string, model: OnnxModel): string {
  const file = path.join(folder, name);
  writeFileSync(file, model.finish());
  return file;
}

test("a bound graph reads and writes the caller's own arrays, run after run", () => {
  const x = Float32Array.of(1, 2, 3);
  const y = new Float32Array(3);
  using session = new Session(runtime, doubling());
  using input = new Value(runtime, "f32", [3], x);
  using output = new Value(runtime, "f32", [3], y);
  using binding = new Binding(session).input("x", input).output("y", output);
  binding.run();
  expect([...y]).toEqual([2, 4, 6]);
  x[1] = 10;
  binding.run();
  expect([...y]).toEqual([2, 20, 6]);
});

test("a run on another thread gives the same", async () => {
  const y = new Float32Array(1);
  using session = new Session(runtime, doubling());
  using input = new Value(runtime, "f32", [1], Float32Array.of(21));
  using output = new Value(runtime, "f32", [1], y);
  using binding = new Binding(session).input("x", input).output("y", output);
  await binding.runAsync();
  expect([...y]).toEqual([42]);
});

test("errors carry the runtime's own words and the session stays usable", () => {
  using session = new Session(runtime, doubling());
  using input = new Value(runtime, "f32", [1, 1], new Float32Array(1));
  using output = new Value(runtime, "f32", [1], new Float32Array(1));
  using right = new Value(runtime, "f32", [1], Float32Array.of(4));
  using binding = new Binding(session).input("x", input).output("y", output);
  expect(() => binding.run()).toThrow(/Invalid rank for input: x Got: 2 Expected: 1/);
  binding.input("x", right).run();
  expect(() => binding.input("z", right)).toThrow(/z/);
  expect(() => new Session(runtime, path.join(folder, "absent.onnx"))).toThrow(/absent\.onnx/);
});

test("a library that does not exist is named", () => {
  expect(() => OrtRuntime.open("/nowhere/libonnxruntime.so")).toThrow(/\/nowhere\/libonnxruntime\.so/);
});

test("terminating a run on another thread ends it with an error, and the session runs again afterwards", async () => {
  const products = 2000;
  using session = new Session(runtime, slow(products));
  using value = new Value(runtime, "f32", [512, 512], new Float32Array(512 * 512));
  using result = new Value(runtime, "f32", [512, 512], new Float32Array(512 * 512));
  using binding = new Binding(session).input("x0", value).output(`x${products}`, result);
  using options = new RunOptions(runtime);
  const run = binding.runAsync(options);
  options.terminate();
  await expect(run).rejects.toThrow(/terminate flag/);
  using short = new Session(runtime, doubling());
  options.proceed();
  using one = new Value(runtime, "f32", [1], Float32Array.of(1));
  using two = new Value(runtime, "f32", [1], new Float32Array(1));
  using again = new Binding(short).input("x", one).output("y", two);
  await again.runAsync(options);
});

test("every handle is given back once, however often it is disposed", () => {
  const before = live();
  {
    using session = new Session(runtime, doubling());
    using value = new Value(runtime, "f32", [1], new Float32Array(1));
    using binding = new Binding(session).input("x", value).output("y", value);
    using options = new RunOptions(runtime);
    binding.run();
    expect(live()).not.toEqual(before);
    for (const handle of [options, binding, value, session]) {
      handle[Symbol.dispose]();
      handle[Symbol.dispose]();
    }
    expect(live()).toEqual(before);
  }
  expect(live()).toEqual(before);
});

test("a session that fails to load leaves no handle behind", () => {
  const before = live();
  expect(() => new Session(runtime, path.join(folder, "absent.onnx"))).toThrow();
  expect(live()).toEqual(before);
});

test("disposing a binding while its run is under way takes effect after the run", async () => {
  const before = runtime.live("binding");
  using session = new Session(runtime, slow(50));
  using value = new Value(runtime, "f32", [512, 512], new Float32Array(512 * 512));
  using result = new Value(runtime, "f32", [512, 512], new Float32Array(512 * 512));
  const binding = new Binding(session).input("x0", value).output("x50", result);
  const run = binding.runAsync();
  binding[Symbol.dispose]();
  expect(runtime.live("binding")).toBe(before + 1);
  await run;
  expect(runtime.live("binding")).toBe(before);
  expect(() => binding.run()).toThrow(/disposed/);
});

test("memory of another size than the tensor's is refused", () => {
  expect(() => new Value(runtime, "f32", [2, 2], new Float32Array(5))).toThrow(/16 bytes.*20/);
});
