/** How prompts are cut into runs. */
import { test } from "vitest";
import { GREEDY } from "../../../../core/model/sampling-parameters.ts";
import { planPrefill } from "../../../../node-agent/generation/prefill-run.ts";
import { createGeneration, promptLeft } from "../../../../node-agent/generation/sequence.ts";

function promptOf(tokens: number) {
  const promptIds = Int32Array.from({ length: tokens }, (_, index) => index);
  const offer = {
    key: 1,
    tenant: "a",
    promptIds,
    choices: 1,
    tokensMax: 1,
    stopIds: [],
    sampling: GREEDY,
    begun: [],
    deadlineMs: undefined,
  };
  const [sequence] = createGeneration(offer, 0).sequences;
  if (sequence === undefined) throw new Error("a generation has a choice");
  sequence.slot = 3;
  return sequence;
}

test("every prompt up to 300 tokens, in chunks of every size, runs each token once, in order, never one alone", () => {
  for (let tokens = 2; tokens <= 300; tokens++) {
    for (let chunk = 2; chunk <= 130; chunk += tokens % 7 === 0 ? 1 : 16) {
      const sequence = promptOf(tokens);
      const ran: number[] = [];
      while (promptLeft(sequence) > 0) {
        const run = planPrefill(sequence, chunk);
        const count = run.tokens.length;
        const sampledRow = ran.length + count === tokens ? count - 1 : undefined;
        if (count < 2 || count > chunk + 1 || run.past !== ran.length || run.sample?.row !== sampledRow)
          throw new Error(`${tokens} tokens in chunks of ${chunk}: a run of ${count} at ${run.past}`);
        ran.push(...run.tokens);
      }
      if (ran.length !== tokens || ran.some((id, index) => id !== index))
        throw new Error(`${tokens} tokens in chunks of ${chunk} are not all run`);
    }
  }
});
