/** Our side of a round: the generation engine on real runner processes, no gateway. */
import type { Replica } from "../../embedded/replica.ts";

/** Distinct prompts, so that nothing can be shared. Token 0 to 31 are special in most vocabularies and left out. */
export function promptIds(length: number, which: number): number[] {
  return Array.from({ length }, (_, index) => 1_000 + ((index * 7 + which * 131) % 20_000));
}

/**
 * Tokens per second while `sequences` generate together, all rows counted, from the moment when the last of them has its first
 * token until the first of them ends.
 */
export async function decodeSpeed(replica: Replica, sequences: number, tokens: number): Promise<number> {
  const firsts = new Set<number>();
  let startedMs = 0;
  let counted = 0;
  let endedMs = 0;
  await Promise.all(
    Array.from({ length: sequences }, (_, which) =>
      replica.generate({
        promptIds: promptIds(16, which),
        tokensMax: tokens,
        onToken(token) {
          if (firsts.size === sequences && endedMs === 0) {
            counted += 1;
            if (token.position === tokens - 1) endedMs = performance.now();
          }
          if (token.position === 0) {
            firsts.add(which);
            if (firsts.size === sequences) startedMs = performance.now();
          }
        },
      }),
    ),
  );
  return (counted * 1_000) / (endedMs - startedMs);
}

let prompts = 0;

/** Prompt tokens per second until the first output token. */
export async function prefillSpeed(replica: Replica, tokens: number): Promise<number> {
  prompts += 1;
  const startedMs = performance.now();
  await replica.generate({ promptIds: promptIds(tokens, 1_000 + prompts), tokensMax: 1 });
  return (tokens * 1_000) / (performance.now() - startedMs);
}
