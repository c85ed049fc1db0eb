/**
 * Encodes with a SentencePiece vocabulary that has scores instead of merges: the adjacent pair with the highest score is joined
 * first, the leftmost on a tie; characters without a token become bytes. Source: SentencePiece bpe_model.cc (SampleEncode)
 * and llama.cpp llm_tokenizer_spm. Synchronous.
 */
import { ServingError } from "../../core/errors.ts";
import type { SentencePieceTokenizer } from "../../core/model/text-bundle.ts";

/** GGUF token types; see `SentencePieceTokenizer.types`. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

export interface SentencePieceVocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly scores: Float64Array;
  /** The id of each byte's token. */
  readonly byteIds: Int32Array;
  /** Matches tokens that are found in a text as they are, the longest first; undefined when there are none. */
  readonly verbatim: RegExp | undefined;
  readonly addSpacePrefix: boolean;
}

function byteIdsOf(source: SentencePieceTokenizer): Int32Array {
  const unknown = source.types.indexOf(UNKNOWN);
  const byteIds = new Int32Array(256).fill(unknown);
  for (const [id, token] of source.tokens.entries()) {
    if (source.types[id] === BYTE) byteIds[Number.parseInt(token.slice(3, 5), 16)] = id;
  }
  const missing = byteIds.indexOf(-1);
  if (missing >= 0) throw new ServingError("DATA_LOSS", `the vocabulary has no token for byte ${missing} and none for unknown text`);
  return byteIds;
}

/** @throws ServingError DATA_LOSS when some text would have no tokens. */
export function sentencePieceVocabulary(source: SentencePieceTokenizer): SentencePieceVocabulary {
  const isVerbatim = (type: number | undefined): boolean => type === UNKNOWN || type === CONTROL || type === USER_DEFINED;
  const verbatim = source.tokens.filter((token, id) => token !== "" && isVerbatim(source.types[id])).sort((a, b) => b.length - a.length);
  return {
    ids: new Map(source.tokens.map((token, id) => [token, id])),
    scores: Float64Array.from(source.scores),
    byteIds: byteIdsOf(source),
    verbatim: verbatim.length === 0 ? undefined : new RegExp(verbatim.map(RegExp.escape).join("|"), "gu"),
    addSpacePrefix: source.addSpacePrefix,
  };
}

/**
 * Candidate pairs, best first: a binary heap over numbered entries in flat arrays. A pair is two neighbors by their first
 * code unit; it is stale when either has since been joined with something else, which shows in its end.
 */
class PairQueue {
  readonly #scores: Float64Array;
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #ends: Int32Array;
  readonly #heap: Int32Array;
  #entries = 0;
  #length = 0;

  /** @param capacity how many pairs are ever pushed, at most */
  constructor(capacity: number) {
    this.#scores = new Float64Array(capacity);
    this.#lefts = new Int32Array(capacity);
    this.#rights = new Int32Array(capacity);
    this.#ends = new Int32Array(capacity);
    this.#heap = new Int32Array(capacity);
  }

  #before(first: number, second: number): boolean {
    const difference = (this.#scores[first] ?? 0) - (this.#scores[second] ?? 0);
    return difference > 0 || (difference === 0 && (this.#lefts[first] ?? 0) < (this.#lefts[second] ?? 0));
  }

  push(score: number, left: number, right: number, end: number): void {
    const entry = this.#entries++;
    this.#scores[entry] = score;
    this.#lefts[entry] = left;
    this.#rights[entry] = right;
    this.#ends[entry] = end;
    let place = this.#length++;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent] ?? 0;
      if (!this.#before(entry, above)) break;
      this.#heap[place] = above;
      place = parent;
    }
    this.#heap[place] = entry;
  }

  /** The best pair, or undefined when none is left. */
  pop(): { readonly left: number; readonly right: number; readonly end: number } | undefined {
    if (this.#length === 0) return undefined;
    const best = this.#heap[0] ?? 0;
    const last = this.#heap[--this.#length] ?? 0;
    let place = 0;
    for (let child = 1; child < this.#length; child = 2 * place + 1) {
      if (child + 1 < this.#length && this.#before(this.#heap[child + 1] ?? 0, this.#heap[child] ?? 0)) child++;
      const below = this.#heap[child] ?? 0;
      if (!this.#before(below, last)) break;
      this.#heap[place] = below;
      place = child;
    }
    this.#heap[place] = last;
    return { left: this.#lefts[best] ?? 0, right: this.#rights[best] ?? 0, end: this.#ends[best] ?? 0 };
  }
}

const encoder = new TextEncoder();

/**
 * Appends the tokens of a text without verbatim tokens. Symbols are ranges of the text, known by their first code unit:
 * ends[s] is where symbol s ends (0: joined into another), previous[s] its left neighbor (-1: none).
 */
function mergePairs(vocabulary: SentencePieceVocabulary, text: string, ids: number[]): void {
  const ends = new Int32Array(text.length);
  const previous = new Int32Array(text.length + 1);
  const pairs = new PairQueue(3 * text.length); // n - 1 to begin with, and at most two for each of n - 1 joins
  const offer = (left: number, right: number): void => {
    if (left < 0 || right >= text.length) return;
    const end = ends[right] ?? 0;
    const id = vocabulary.ids.get(text.slice(left, end));
    if (id !== undefined) pairs.push(vocabulary.scores[id] ?? 0, left, right, end);
  };
  let before = -1;
  for (let start = 0; start < text.length; ) {
    const end = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
    ends[start] = end;
    previous[start] = before;
    offer(before, start);
    before = start;
    start = end;
  }
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const { left, right, end } = pair;
    if (ends[left] !== right || ends[right] !== end) continue; // stale
    ends[left] = end;
    ends[right] = 0;
    previous[end] = left;
    offer(previous[left] ?? -1, left);
    offer(left, end);
  }
  for (let start = 0; start < text.length; start = ends[start] ?? text.length) {
    const symbol = text.slice(start, ends[start]);
    const id = vocabulary.ids.get(symbol);
    if (id !== undefined) ids.push(id);
    else for (const byte of encoder.encode(symbol)) ids.push(vocabulary.byteIds[byte] ?? 0);
  }
}

/** Token ids of a text, without beginning-of-sequence. A space is put before the text and after each verbatim token when asked for. */
export function encodeSentencePiece(vocabulary: SentencePieceVocabulary, text: string): number[] {
  const ids: number[] = [];
  let start = 0;
  const append = (raw: string): void => {
    if (raw !== "") mergePairs(vocabulary, (vocabulary.addSpacePrefix ? ` ${raw}` : raw).replaceAll(" ", "\u2581"), ids);
  };
  if (vocabulary.verbatim !== undefined) {
    for (const match of text.matchAll(vocabulary.verbatim)) {
      append(text.slice(start, match.index));
      ids.push(vocabulary.ids.get(match[0]) ?? 0);
      start = match.index + match[0].length;
    }
  }
  append(text.slice(start));
  return ids;
}
