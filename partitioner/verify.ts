/** Proof that a cut model is the model: the same tokens through the uncut shard and through all stages, logits compared. */
import { ServingError } from "../core/errors.ts";
import type { ShardDescription } from "../core/model/shard-description.ts";
import { seededRandom } from "../core/random.ts";
import { readShardFolder } from "./cutting/shard-folder.ts";

/** What a stage is given: token ids to the first, the stream to the others. */
export type ShardInput =
  | { readonly kind: "ids"; readonly ids: readonly number[] }
  /** f32[tokens · hiddenSize] both. */
  | { readonly kind: "stream"; readonly residual: Float32Array; readonly addend: Float32Array };

/** What it gives: the stream to the next stage, or logits f32[rows · vocabSize] by the last. */
export type ShardOutput =
  | { readonly kind: "stream"; readonly residual: Float32Array; readonly addend: Float32Array }
  | { readonly kind: "logits"; readonly logits: Float32Array };

/** A shard with the cache of one sequence. */
export interface OpenedShard extends Disposable {
  /**
   * Runs tokens at positions [past, past + tokens); what the cache holds from `past` on is overwritten. The output is the caller's.
   *
   * @param step.rows of the last stage: positions counted from `past` whose logits are wanted; may be empty
   */
  run(step: { readonly input: ShardInput; readonly past: number; readonly tokens: number; readonly rows: readonly number[] }): ShardOutput;
}

/** @param capacity positions in the cache */
export type OpenShard = (folder: string, description: ShardDescription, capacity: number) => Promise<OpenedShard>;

export interface VerifyOptions {
  /** Folder of the shard that holds all layers. */
  readonly whole: string;
  /** Folders of all stages in order. */
  readonly staged: readonly string[];
  readonly open: OpenShard;
  /** Of the token ids. */
  readonly seed: bigint;
  readonly promptTokens: number;
  /** Tokens decoded one by one after the prompt. */
  readonly decodeTokens: number;
}

/** The largest logit difference at any position: 0 when the bits are equal. @throws ServingError DATA_LOSS for damaged shards */
export async function verifyPartition(options: VerifyOptions): Promise<number> {
  const { whole, staged, seed, promptTokens, decodeTokens } = options;
  const capacity = promptTokens + decodeTokens;
  using opened = new DisposableStack();
  const [{ shard: uncut, description }] = await openAll([whole], capacity, options.open, opened);
  const stages = await openAll(staged, capacity, options.open, opened);
  const random = seededRandom(seed);
  const ids = Array.from({ length: capacity }, () => Math.floor(random.next() * description.vocabSize));
  let largest = 0;
  for (let past = 0; past < capacity; past += past === 0 ? promptTokens : 1) {
    const step = { ids: past === 0 ? ids.slice(0, promptTokens) : ids.slice(past, past + 1), past };
    const expected = logitsThrough([uncut], step);
    const actual = logitsThrough(
      stages.map(({ shard }) => shard),
      step,
    );
    largest = Math.max(largest, largestDifference(expected, actual));
  }
  return largest;
}

interface Opened {
  readonly shard: OpenedShard;
  readonly description: ShardDescription;
}

async function openAll(
  folders: readonly string[],
  capacity: number,
  open: OpenShard,
  stack: DisposableStack,
): Promise<readonly [Opened, ...Opened[]]> {
  const all: Opened[] = [];
  for (const folder of folders) {
    const description = await readShardFolder(folder);
    if (description === undefined) throw new ServingError("DATA_LOSS", `there is no whole shard in '${folder}': cut it again`);
    all.push({ shard: stack.use(await open(folder, description, capacity)), description });
  }
  const [first, ...others] = all;
  if (first === undefined) throw new ServingError("INVALID_ARGUMENT", "there are no stages to verify");
  return [first, ...others];
}

/** Logits of every position of the step. */
function logitsThrough(stages: readonly OpenedShard[], step: { readonly ids: readonly number[]; readonly past: number }): Float32Array {
  const tokens = step.ids.length;
  const rows = step.ids.map((_, index) => index);
  let input: ShardInput = { kind: "ids", ids: step.ids };
  for (const stage of stages) {
    const output = stage.run({ input, past: step.past, tokens, rows });
    if (output.kind === "logits") return output.logits;
    input = output;
  }
  throw new ServingError("INVALID_ARGUMENT", "the last of the stages has no head: verify all stages, in order");
}

/** Infinity where one has a number and the other none, or lengths differ. */
function largestDifference(expected: Float32Array, actual: Float32Array): number {
  if (expected.length !== actual.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (const [index, value] of expected.entries()) {
    const difference = Math.abs(value - (actual[index] ?? Number.NaN));
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    if (difference > largest) largest = difference;
  }
  return largest;
}
