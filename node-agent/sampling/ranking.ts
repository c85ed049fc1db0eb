/**
 * The most likely tokens first, without sorting the whole vocabulary: tokens within some distance of the largest logit are
 * gathered in one pass and only these are sorted; the distance grows until there are enough. Pure.
 */

/** Ids take the low 21 bits of a key, the logit's 32 bits the rest: 53 in all, exact in a double. */
const ID_SPAN = 2 ** 21;
/** In logits at a temperature of 1 or less, more above it. */
const DISTANCES = [4, 8, 16, 32, Number.POSITIVE_INFINITY];

export class Ranking {
  /** Ascending: by logit, equal ones by falling id, so that the last is the lowest id of the largest logit. */
  readonly #keys: Float64Array;
  #count = 0;

  /** @param vocabSize at most 2^21 */
  constructor(vocabSize: number) {
    this.#keys = new Float64Array(vocabSize);
  }

  /** How many are ranked. */
  get count(): number {
    return this.#count;
  }

  /** @param rank 0 is the most likely */
  id(rank: number): number {
    return ID_SPAN - 1 - ((this.#keys[this.#count - 1 - rank] ?? 0) % ID_SPAN);
  }

  /**
   * Ranks the most likely tokens: so many that `enough` is content, or all with a logit of `floor` or more.
   * @param enough asked while tokens are being gathered: `count` and the ids are there, their order is not
   */
  rank(
    logits: Float32Array,
    from: { readonly max: number; readonly temperature: number; readonly floor: number },
    enough: () => boolean,
  ): void {
    for (const distance of DISTANCES) {
      const threshold = Math.max(from.floor, from.max - distance * Math.max(1, from.temperature));
      this.#gather(logits, threshold);
      if (threshold <= from.floor || this.#count === logits.length || enough()) break;
    }
    this.#keys.subarray(0, this.#count).sort();
  }

  #gather(logits: Float32Array, threshold: number): void {
    const keys = this.#keys;
    const bits = new Int32Array(logits.buffer, logits.byteOffset, logits.length);
    let count = 0;
    for (let id = 0; id < logits.length; id++) {
      if (!((logits[id] ?? 0) >= threshold)) continue;
      keys[count++] = orderedBits(bits[id] ?? 0) * ID_SPAN + (ID_SPAN - 1 - id);
    }
    this.#count = count;
  }
}

const NEGATIVE_ZERO = -(2 ** 31);

/** A float's bits as an unsigned number that orders as the floats do; both zeros are one. */
function orderedBits(bits: number): number {
  if (bits >= 0 || bits === NEGATIVE_ZERO) return (bits & 0x7fffffff) + 2 ** 31;
  return ~bits; // 0 to 2^31 - 1: the further below zero, the smaller
}
