/** Prompts with the greedy continuations of the exactly dequantized weights in fp32, which llama.cpp gives too. */
import { readFileSync } from "node:fs";

export interface GoldenPrompt {
  readonly name: string;
  readonly promptIds: readonly number[];
  readonly greedyIds: readonly number[];
  /** Token id and logit, the largest first, at the first generated position. */
  readonly firstTop5: readonly (readonly [id: number, logit: number])[];
}

interface GoldenFile {
  readonly prompts: readonly {
    readonly name: string;
    readonly prompt_ids: readonly number[];
    readonly greedy_ids: readonly number[];
    readonly first_top5: readonly (readonly [id: number, logit: number])[];
  }[];
}

export function goldenPrompts(): readonly GoldenPrompt[] {
  const golden: GoldenFile = JSON.parse(readFileSync(new URL("../../golden/smollm2-135m-instruct.fp32.json", import.meta.url), "utf8"));
  return golden.prompts.map(({ name, prompt_ids: promptIds, greedy_ids: greedyIds, first_top5: firstTop5 }) => ({
    name,
    promptIds,
    greedyIds,
    firstTop5,
  }));
}
