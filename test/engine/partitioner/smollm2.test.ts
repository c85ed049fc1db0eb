/** The real model cut into stages: together they have the bits of the whole, in every tier that loses some. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Quantization } from "../../../core/model/shard-description.ts";
import { seededRandom } from "../../../core/random.ts";
import { folderModelFiles } from "../../../core/repository/folder.ts";
import { cutShard } from "../../../partitioner/cutting/cut-shard.ts";
import { verifyPartition } from "../../../partitioner/verify.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { openShard } from "./open-shard.ts";

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

describe("SmolLM2-135M-Instruct", () => {
  test.each(["native", "int8", "int4"] as const)("in two and in five stages of %s gives the bits of the whole", async (quantization) => {
    const [whole = ""] = await cutAll(quantization, 1);
    for (const stages of [2, 5]) {
      const staged = await cutAll(quantization, stages);
      expect(await verifyPartition({ whole, staged, open: openShard, seed: 5n, promptTokens: 24, decodeTokens: 6 })).toBe(0);
      for (const folder of staged) await rm(folder, { recursive: true });
    }
  });
});
