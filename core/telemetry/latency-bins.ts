/**
 * How long things took, counted in bins of two digits: up to 1 µs, then (1, 1.1], (1.1, 1.2] … (9.9, 10], (10, 11] … to hours. Bins of
 * many nodes add up, and histograms with any bounds of two digits are made from them, and quantiles within a tenth of their
 * value. Pure.
 */

const BINS_PER_DECADE = 90;
const DECADES = 10;
const BINS = 1 + BINS_PER_DECADE * DECADES;

/** Bin numbers, ascending, each followed by its count; empty bins are left out. */
export type SparseBins = readonly number[];

export class LatencyBins {
  readonly #counts = new Float64Array(BINS);

  add(us: number): void {
    const bin = binOf(us);
    this.#counts[bin] = (this.#counts[bin] ?? 0) + 1;
  }

  sparse(): number[] {
    const pairs: number[] = [];
    for (const [bin, count] of this.#counts.entries()) if (count > 0) pairs.push(bin, count);
    return pairs;
  }
}

export function addBins(parts: readonly SparseBins[]): number[] {
  const sums = new Map<number, number>();
  for (const part of parts) for (const [bin, count] of pairsOf(part)) sums.set(bin, (sums.get(bin) ?? 0) + count);
  return [...sums].toSorted(([one], [other]) => one - other).flat();
}

export function countOf(bins: SparseBins): number {
  let count = 0;
  for (const [, more] of pairsOf(bins)) count += more;
  return count;
}

/** How many took at most so long, exact for microseconds of two digits. @param boundsUs ascending */
export function countsUpTo(bins: SparseBins, boundsUs: readonly number[]): readonly number[] {
  const counts = boundsUs.map(() => 0);
  for (const [bin, count] of pairsOf(bins)) {
    const first = boundsUs.findIndex((bound) => binOf(bound) >= bin);
    if (first !== -1) for (let place = first; place < counts.length; place++) counts[place] = (counts[place] ?? 0) + count;
  }
  return counts;
}

/** What so many of them (0 to 1) took at most, in microseconds; NaN of none. */
export function quantileUs(bins: SparseBins, quantile: number): number {
  const wanted = Math.max(1, Math.ceil(quantile * countOf(bins)));
  let below = 0;
  for (const [bin, count] of pairsOf(bins)) {
    below += count;
    if (below >= wanted) return upperUs(bin);
  }
  return Number.NaN;
}

/** What came since `before`, which is an earlier state of the same bins. */
export function binsSince(bins: SparseBins, before: SparseBins): number[] {
  const earlier = new Map(pairsOf(before));
  return [...pairsOf(bins)]
    .map(([bin, count]) => [bin, count - (earlier.get(bin) ?? 0)] as const)
    .flatMap((pair) => (pair[1] > 0 ? pair : []));
}

function* pairsOf(bins: SparseBins): Generator<readonly [bin: number, count: number]> {
  for (let place = 0; place < bins.length; place += 2) yield [bins[place] ?? 0, bins[place + 1] ?? 0];
}

function binOf(us: number): number {
  if (!(us > 1)) return 0;
  let decade = 0;
  let unit = 0.1;
  while (us > 100 * unit && decade < DECADES - 1) {
    decade += 1;
    unit *= 10;
  }
  const digits = Math.ceil(us / unit - 1e-9); // 2.3 / 0.1 is a little more than 23
  return decade * BINS_PER_DECADE + Math.min(digits, 100) - 10;
}

function upperUs(bin: number): number {
  if (bin === 0) return 1;
  const decade = Math.floor((bin - 1) / BINS_PER_DECADE);
  return Math.round((bin - decade * BINS_PER_DECADE + 10) * 10 ** decade) / 10;
}
