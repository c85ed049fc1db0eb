/** What quantization costs on prose: the mean negative log-likelihood of each token after all before it, against fp32's. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Quantization } from "../../../core/model/shard-description.ts";
import { serializeTextBundle } from "../../../core/model/text-bundle-codec.ts";
import { folderModelFiles } from "../../../core/repository/folder.ts";
import { openTextModel } from "../../../gateway/text/text-model.ts";
import { OrtRuntime } from "../../../node-agent/ort/runtime.ts";
import { ShardSession } from "../../../node-agent/runners/shard/shard-session.ts";
import { readShardFolder } from "../../../partitioner/cutting/shard-folder.ts";
import { textBundle } from "../../../partitioner/text/text-bundle.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { cutShards } from "../runner/shards.ts";

/** A session gives as many rows of logits as it has slots. */
const CHUNK = 64;
const THREADS = 2;

const runtime = OrtRuntime.open();
let prose: Int32Array;
let fp32: number;

beforeAll(async () => {
  const model = openTextModel(serializeTextBundle(await textBundle(folderModelFiles(realModelFolder()), "1")));
  const text = readFileSync(new URL("../../golden/prose.txt", import.meta.url), "utf8");
  prose = model.tokenizer.encode(text, { addSpecial: false });
  fp32 = await meanNegativeLogLikelihood("fp32");
  process.stdout.write(`fp32: ${fp32.toFixed(4)} over ${prose.length} tokens\n`);
});

describe("the mean negative log-likelihood of prose", () => {
  test("in fp32 is that of a model which knows English, over two thousand tokens", () => {
    expect(prose.length).toBeGreaterThan(2_000);
    expect(fp32).toBeGreaterThan(2);
    expect(fp32).toBeLessThan(3.5);
  });

  test.each([
    ["native", 0.005],
    ["int8", 0.01],
  ] as const)("in %s is at most %f above fp32's", async (quantization, most) => {
    const found = await meanNegativeLogLikelihood(quantization);
    process.stdout.write(`${quantization}: ${found.toFixed(4)}, ${(found - fp32).toFixed(4)} above fp32\n`);
    expect(found - fp32).toBeLessThanOrEqual(most);
  });
});

/** In nats per token. */
async function meanNegativeLogLikelihood(quantization: Quantization): Promise<number> {
  await using shards = await cutShards(quantization, 1);
  const [folder = ""] = shards.folders;
  const description = await readShardFolder(folder);
  if (description === undefined) throw new Error(`no shard in ${folder}`);
  const contextLength = Math.ceil(prose.length / CHUNK) * CHUNK;
  using session = new ShardSession(runtime, { folder, description, slots: CHUNK, contextLength, threads: THREADS });
  const { vocabSize } = description;
  let sum = 0;
  for (let past = 0; past < prose.length - 1; past += CHUNK) {
    const tokens = prose.slice(past, past + CHUNK);
    const rows = Array.from(tokens.keys());
    const { logits } = session.prefill({ kind: "prefill", slot: 0, past, tokens, sample: undefined }, rows);
    for (const row of rows) {
      const next = prose[past + row + 1];
      if (next !== undefined) sum += negativeLogProbability(logits.subarray(row * vocabSize, (row + 1) * vocabSize), next);
    }
  }
  return sum / (prose.length - 1);
}

function negativeLogProbability(logits: Float32Array, id: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  return max + Math.log(sum) - (logits[id] ?? Number.NaN);
}
