/** A shard on the runtime in this process, for the partitioner's proof that a cut model is the model. */
import type { OpenedShard, OpenShard, ShardOutput } from "../../partitioner/verify.ts";

const SLOT = 0;

/** One thread: the same order of additions in every shard. */
export async function shardOpener(): Promise<OpenShard> {
  const [{ OrtRuntime }, { ShardSession }] = await Promise.all([
    import("../../node-agent/ort/runtime.ts"),
    import("../../node-agent/runners/shard/shard-session.ts"),
  ]);
  const runtime = OrtRuntime.open();
  return async (folder, description, capacity): Promise<OpenedShard> => {
    const session = new ShardSession(runtime, { folder, description, slots: 1, contextLength: capacity, threads: 1 });
    const { hiddenSize, vocabSize } = description;
    const run: OpenedShard["run"] = ({ input, past, tokens, rows }): ShardOutput => {
      if (input.kind === "stream") {
        session.hiddenIn.set(input.residual);
        session.addendIn.set(input.addend);
      }
      const ids = input.kind === "ids" ? Int32Array.from(input.ids) : new Int32Array(tokens);
      const prefill = (row: number | undefined) =>
        session.prefill({ kind: "prefill", slot: SLOT, past, tokens: ids, sample: row === undefined ? undefined : { row, position: 0 } });
      if (!session.last) {
        const { hidden, addend } = prefill(undefined);
        const floats = tokens * hiddenSize;
        return { kind: "stream", residual: hidden.slice(0, floats), addend: addend.slice(0, floats) };
      }
      // A session gives one row's logits a run; running again overwrites the same part of the cache.
      const logits = new Float32Array(rows.length * vocabSize);
      for (const [index, row] of rows.entries()) logits.set(prefill(row).logits, index * vocabSize);
      return { kind: "logits", logits };
    };
    return { run, [Symbol.dispose]: () => session[Symbol.dispose]() };
  };
}
