/** Opens cut shards on ONNX Runtime for one sequence: the plainest reading of the graph contract. */
import path from "node:path";
import type { ShardDescription } from "../../../core/model/shard-description.ts";
import { Binding } from "../../../node-agent/ort/binding.ts";
import { OrtRuntime } from "../../../node-agent/ort/runtime.ts";
import { Session } from "../../../node-agent/ort/session.ts";
import { type ElementType, Value } from "../../../node-agent/ort/value.ts";
import type { OpenedShard, OpenShard, ShardOutput } from "../../../partitioner/verify.ts";

const runtime = OrtRuntime.open();

export const openShard: OpenShard = async (folder, description, capacity) => {
  const session = new Session(runtime, path.join(folder, "model.onnx"));
  const cache = cacheTensors(description, capacity);
  return {
    run: (step) => runStep(session, description, cache, capacity, step),
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
};

/** Keys and values by the end of their tensors' names. */
function cacheTensors({ firstLayer, endLayer, kvHeads, headSize }: ShardDescription, capacity: number): ReadonlyMap<string, Float32Array> {
  const layers = Array.from({ length: endLayer - firstLayer }, (_, index) => firstLayer + index);
  return new Map(
    layers.flatMap((layer) => ["k", "v"].map((kind) => [`${kind}_${layer}`, new Float32Array(kvHeads * capacity * headSize)] as const)),
  );
}

function runStep(
  session: Session,
  description: ShardDescription,
  cache: ReadonlyMap<string, Float32Array>,
  capacity: number,
  { input, past, tokens, rows }: Parameters<OpenedShard["run"]>[0],
): ShardOutput {
  const { hiddenSize, vocabSize, kvHeads, headSize } = description;
  using held = new DisposableStack();
  const binding = held.use(new Binding(session));
  const value = (type: ElementType, shape: readonly number[], memory: NodeJS.TypedArray) =>
    held.use(new Value(runtime, type, shape, memory));
  for (const [name, memory] of cache) {
    const shared = value("f32", [1, kvHeads, capacity, headSize], memory);
    binding.input(`past_${name}`, shared).output(`present_${name}`, shared);
  }
  binding.input("seqlens_k", value("i32", [1], Int32Array.of(past + tokens - 1)));
  binding.input("total_len", value("i32", [], Int32Array.of(past + tokens)));
  const stream = (memory: Float32Array) => value("f32", [1, tokens, hiddenSize], memory);
  if (input.kind === "ids") binding.input("input_ids", value("i64", [1, tokens], BigInt64Array.from(input.ids, BigInt)));
  else binding.input("hidden", stream(input.residual)).input("addend", stream(input.addend));
  if (description.endLayer < description.layers) {
    const [residual, addend] = [new Float32Array(tokens * hiddenSize), new Float32Array(tokens * hiddenSize)];
    binding.output("hidden_out", stream(residual)).output("addend_out", stream(addend)).run();
    return { kind: "stream", residual, addend };
  }
  const logits = new Float32Array(rows.length * vocabSize);
  binding.input("rows", value("i64", [rows.length], BigInt64Array.from(rows, BigInt)));
  binding.output("logits", value("f32", [rows.length, vocabSize], logits)).run();
  return { kind: "logits", logits };
}
