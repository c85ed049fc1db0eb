/** The real model cut into stages: the golden ids in fp32, and the bits of the whole in every tier. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Quantization } from "../../../core/model/shard-description.ts";
import { seededRandom } from "../../../core/random.ts";
import { folderModelFiles } from "../../../core/repository/folder.ts";
import { cutShard } from "../../../partitioner/cutting/cut-shard.ts";
import { readShardFolder } from "../../../partitioner/cutting/shard-folder.ts";
import { type OpenedShard, verifyPartition } from "../../../partitioner/verify.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { openShard } from "./open-shard.ts";

interface Golden {
  readonly prompts: readonly {
    readonly name: string;
    readonly prompt_ids: readonly number[];
    readonly greedy_ids: readonly number[];
    /** Token id and logit. */
    readonly first_top5: readonly (readonly [number, number])[];
  }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL("../../golden/smollm2-135m-instruct.fp32.json", import.meta.url), "utf8"));
const CAPACITY = 512;

let root = "";
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "nereid-smollm2-"));
});
afterAll(() => rm(root, { recursive: true }));

async function cutAll(quantization: Quantization, stages: number): Promise<readonly string[]> {
  const files = folderModelFiles(realModelFolder());
  const folders: string[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const outFolder = path.join(root, `${quantization}-${stage}of${stages}`);
    const options = { random: seededRandom(1n), signal: new AbortController().signal, onProgress: () => {} };
    await cutShard({ files, versionFolder: "1", stage, stages, quantization, outFolder, ...options });
    folders.push(outFolder);
  }
  return folders;
}

/** Logits of the last of `ids`, at positions from `past` on. */
function lastLogits(whole: OpenedShard, ids: readonly number[], past: number): Float32Array {
  const output = whole.run({ input: { kind: "ids", ids }, past, tokens: ids.length, rows: [ids.length - 1] });
  return output.kind === "logits" ? output.logits : new Float32Array();
}

describe("SmolLM2-135M-Instruct", () => {
  test("in fp32 continues every golden prompt with the golden ids", async () => {
    const [folder = ""] = await cutAll("fp32", 1);
    const description = await readShardFolder(folder);
    if (description === undefined) throw new Error(`no shard in ${folder}`);
    using whole = await openShard(folder, description, CAPACITY);
    for (const { name, prompt_ids, greedy_ids, first_top5 } of golden.prompts) {
      let logits = lastLogits(whole, prompt_ids, 0);
      for (const [id, logit] of first_top5) expect(Math.abs((logits[id] ?? Number.NaN) - logit), name).toBeLessThan(1e-3);
      const ids: number[] = [];
      for (let past = prompt_ids.length; ids.length < greedy_ids.length; past++) {
        const id = logits.indexOf(logits.reduce((most, logit) => Math.max(most, logit)));
        ids.push(id);
        if (ids.length < greedy_ids.length) logits = lastLogits(whole, [id], past);
      }
      expect(ids, name).toEqual(greedy_ids);
    }
  });

  test.each(["native", "int8", "int4", "fp32"] as const)(
    "in two and in five stages of %s gives the bits of the whole",
    async (quantization) => {
      const [whole = ""] = await cutAll(quantization, 1);
      for (const stages of [2, 5]) {
        const staged = await cutAll(quantization, stages);
        expect(await verifyPartition({ whole, staged, open: openShard, seed: 5n, promptTokens: 24, decodeTokens: 6 })).toBe(0);
        for (const folder of staged) await rm(folder, { recursive: true });
      }
    },
  );
});
