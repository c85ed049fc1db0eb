/** The real model, cut for a test into a folder that the test removes. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Quantization } from "../../../core/model/shard-description.ts";
import { systemRandom } from "../../../core/random.ts";
import { folderModelFiles } from "../../../core/repository/folder.ts";
import { cutShard } from "../../../partitioner/cutting/cut-shard.ts";
import { realModelFolder } from "../../support/real-model.ts";

export interface CutShards extends AsyncDisposable {
  /** One per stage. */
  readonly folders: readonly string[];
}

export async function cutShards(quantization: Quantization, stages: number): Promise<CutShards> {
  const root = await mkdtemp(path.join(tmpdir(), "nereid-shards-"));
  const files = folderModelFiles(realModelFolder());
  const folders: string[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const outFolder = path.join(root, String(stage));
    const signal = new AbortController().signal;
    const request = { files, versionFolder: "1", stage, stages, quantization };
    await cutShard({ ...request, outFolder, random: systemRandom, signal, onProgress: () => {} });
    folders.push(outFolder);
  }
  return { folders, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

export interface GoldenPrompt {
  readonly name: string;
  readonly prompt_ids: readonly number[];
  readonly greedy_ids: readonly number[];
}

/** Greedy continuations of the exactly dequantized weights in fp32, checked against another engine. */
export async function goldenPrompts(): Promise<readonly GoldenPrompt[]> {
  const file = new URL("../../golden/smollm2-135m-instruct.fp32.json", import.meta.url);
  const golden: { readonly prompts: readonly GoldenPrompt[] } = JSON.parse(await readFile(file, "utf8"));
  return golden.prompts;
}
