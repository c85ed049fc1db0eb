/** Our side without a gateway: the generation engine on real runner processes, with real sockets between the stages. */
import { linkedSignal } from "../../core/abort.ts";
import { type Replica, startReplica } from "../../embedded/replica.ts";
import type { BenchContext } from "../context.ts";
import { jointTokenRate } from "./token-rate.ts";

/** Positions of a slot. */
export const CONTEXT_LENGTH = 1_024;

export interface EngineShape {
  readonly quantization: string;
  readonly stages: number;
  /** Of each stage. */
  readonly threads: number;
  readonly slots: number;
}

/** Cuts the shards where they are not there yet, and warms the engine up: none of that is measured. */
export async function startEngine(context: BenchContext, shape: EngineShape): Promise<Replica> {
  const { model, folders, logger, signal } = context;
  const options = { ...folders, ...shape, model, version: "1", contextLength: CONTEXT_LENGTH };
  await using stack = new AsyncDisposableStack();
  const replica = stack.use(await startReplica(options, logger, signal));
  await decodeSpeed(replica, { sequences: Math.min(4, shape.slots), tokens: 12 }, signal);
  await firstTokenMs(replica, 128, signal);
  stack.move();
  return replica;
}

/** Tokens per second while `sequences` generate together, all of them counted. */
export async function decodeSpeed(
  replica: Replica,
  { sequences, tokens }: { readonly sequences: number; readonly tokens: number },
  signal: AbortSignal,
): Promise<number> {
  return jointTokenRate(await generateTogether(replica, { sequences, tokens, promptTokens: 16 }, signal));
}

/** Lets `sequences` run at once. @returns when each of their tokens came, as of `performance.now()` */
export async function generateTogether(
  replica: Replica,
  { sequences, tokens, promptTokens }: { readonly sequences: number; readonly tokens: number; readonly promptTokens: number },
  signal: AbortSignal,
): Promise<readonly (readonly number[])[]> {
  using run = linkedSignal(signal);
  const times: number[][] = Array.from({ length: sequences }, () => []);
  const running = times.map((own) =>
    replica.generate({ promptIds: nextPrompt(promptTokens), tokensMax: tokens, onToken: () => own.push(performance.now()) }, run.signal),
  );
  try {
    await Promise.all(running);
  } catch (thrown) {
    run.abort(thrown);
    await Promise.allSettled(running);
    throw thrown;
  }
  return times;
}

/** Milliseconds from the submit to the first output token. All but the last `ownTokens` of the prompt are those of the one before it. */
export async function firstTokenMs(replica: Replica, promptTokens: number, signal: AbortSignal, ownTokens = promptTokens): Promise<number> {
  const like = promptOf(prompts, promptTokens).slice(0, promptTokens - ownTokens);
  const promptIds = [...like, ...nextPrompt(ownTokens)];
  const startedMs = performance.now();
  await replica.generate({ promptIds, tokensMax: 1 }, signal);
  return performance.now() - startedMs;
}

let prompts = 0;

/** No two alike, so that nothing can be shared. Low ids are special in most vocabularies and left out. */
function nextPrompt(length: number): number[] {
  prompts += 1;
  return promptOf(prompts, length);
}

const promptOf = (number: number, length: number): number[] =>
  Array.from({ length }, (_, index) => 1_000 + ((index * 7 + number * 131) % 20_000));
