/**
 * Which node a sequence's step goes to: its owner, which this gateway remembers. Sequences that it does not know go where every gateway
 * would send them, by highest random weight of their key and the candidates (Thaler and Ravishankar 1998). Pure.
 */

/** Somebody who could own sequences. */
export interface OwnerCandidate {
  /** As nodes name themselves in refusals and in the store. */
  readonly owner: string;
}

export interface SequenceRoute<Candidate> {
  readonly to: Candidate;
  /** The owner whom nobody sees any more, and from whom `to` is to take over; empty: nobody. */
  readonly from: string;
  /** What is known of the sequence's run: the token of its start, and the steps that were answered. */
  readonly start: string;
  readonly answered: number;
}

interface KnownSequence {
  readonly owner: string;
  readonly start: string;
  readonly answered: number;
  readonly expiresMs: number;
  /** A step of it was given up before it was sent: what follows makes no sense. */
  readonly canceled: boolean;
}

/** Beyond these the ones that were used longest ago are forgotten, which costs them a question to the wrong node. */
const KNOWN_MAX = 100_000;
/** Nodes say when a sequence is over; this only has to be later. */
const MARGIN_MS = 60_000;

export class SequenceRoutes {
  /** Used longest ago first. */
  readonly #known = new Map<string, KnownSequence>();

  get count(): number {
    return this.#known.size;
  }

  /** @returns undefined: there is no candidate */
  route<Candidate extends OwnerCandidate>(
    key: string,
    candidates: readonly Candidate[],
    at: { readonly start: boolean; readonly nowMs: number },
  ): SequenceRoute<Candidate> | undefined {
    const known = this.#find(key, at.nowMs);
    const owner = known && candidates.find((candidate) => candidate.owner === known.owner);
    const to = owner ?? heaviest(key, candidates);
    if (to === undefined) return undefined;
    const from = owner === undefined && known !== undefined && !at.start ? known.owner : "";
    return { to, from, start: known?.start ?? "", answered: known?.answered ?? 0 };
  }

  /** A node has said who the owner is. */
  moved(key: string, owner: string, at: { readonly idleMs: number; readonly nowMs: number }): void {
    const known = this.#find(key, at.nowMs);
    this.#keep(key, { start: "", answered: 0, canceled: false, ...known, owner }, at);
  }

  /** @param step `start`: the start's token; undefined: it was a later step */
  answered(
    key: string,
    step: { readonly owner: string; readonly start: string | undefined },
    at: { readonly idleMs: number; readonly nowMs: number },
  ): void {
    const { owner, start } = step;
    const known = start === undefined ? this.#find(key, at.nowMs) : undefined;
    const answered = (known?.answered ?? 0) + 1;
    this.#keep(key, { owner, start: start ?? known?.start ?? "", answered, canceled: known?.canceled ?? false }, at);
  }

  cancel(key: string, nowMs: number): void {
    const known = this.#find(key, nowMs);
    if (known !== undefined) this.#known.set(key, { ...known, canceled: true });
  }

  isCanceled(key: string): boolean {
    return this.#known.get(key)?.canceled === true;
  }

  /** The sequence is over. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** undefined: nobody is known to be it */
  ownerOf(key: string, nowMs: number): string | undefined {
    return this.#find(key, nowMs)?.owner;
  }

  #find(key: string, nowMs: number): KnownSequence | undefined {
    const known = this.#known.get(key);
    return known !== undefined && known.expiresMs > nowMs ? known : undefined;
  }

  #keep(
    key: string,
    known: Omit<KnownSequence, "expiresMs">,
    { idleMs, nowMs }: { readonly idleMs: number; readonly nowMs: number },
  ): void {
    this.#known.delete(key);
    this.#known.set(key, { ...known, expiresMs: nowMs + idleMs + MARGIN_MS });
    for (const [oldest, { expiresMs }] of this.#known) {
      if (expiresMs > nowMs && this.#known.size <= KNOWN_MAX) break;
      this.#known.delete(oldest);
    }
  }
}

function heaviest<Candidate extends OwnerCandidate>(key: string, candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined;
  let bestWeight = -1;
  for (const candidate of candidates) {
    const weight = ownerWeight(key, candidate.owner);
    if (weight <= bestWeight) continue;
    best = candidate;
    bestWeight = weight;
  }
  return best;
}

export function ownerWeight(key: string, owner: string): number {
  return mixed(hash(`${owner} ${key}`));
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value;
}

/** The finalizer of MurmurHash3: without it keys that differ in their last characters have weights that hardly do. */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
