/**
 * Large pieces of memory that are used again and again: V8 collects its whole heap for every few dozen megabytes of new ones. Each is
 * lent to one owner at a time. An owner who is certain that nobody reads it any more releases it; who is not just forgets it: then it
 * is collected as any memory, and nobody gets it again. Pure.
 */
import { Buffer } from "node:buffer";
import { assert } from "../errors.ts";

/** Smaller ones are not worth it. */
export const LENT_BYTES_MIN = 32 * 1024;
/** Larger ones come seldom, and would take a pool for themselves. */
export const LENT_BYTES_MAX = 16 * 1024 * 1024;
/** What lies idle in a pool at most. */
const FREE_BYTES_MAX = 64 * 1024 * 1024;

/** Who gets this owns the memory of bytes that are told elsewhere. */
export interface Memory {
  /** Once: nobody reads it any more, neither the program nor the system on its way to a socket. */
  release(): void;
}

export interface Lease extends Memory {
  /** Whatever was there before; to be overwritten. Not to be touched after the release. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export class LentMemory {
  readonly #free = new Map<number, ArrayBuffer[]>();
  readonly #filler: number | undefined;
  #freeBytes = 0;

  /** @param filler what is released is overwritten with, so that who still reads it is found out; unless said it stays as it is */
  constructor({ filler }: { readonly filler?: number } = {}) {
    this.#filler = filler;
  }

  /** What nobody uses at the moment. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** @param byteLength from LENT_BYTES_MIN to LENT_BYTES_MAX */
  lend(byteLength: number): Lease {
    const size = sizeFor(byteLength);
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) this.#freeBytes -= size;
    const buffer = free ?? Buffer.allocUnsafeSlow(size).buffer;
    return new PoolLease(this, buffer, byteLength);
  }

  /** For leases alone. */
  takeBack(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    if (size === 0) return; // it was given to another thread
    if (this.#filler !== undefined) new Uint8Array(buffer).fill(this.#filler);
    if (this.#freeBytes + size > FREE_BYTES_MAX) return;
    this.#freeBytes += size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
  }
}

class PoolLease implements Lease {
  readonly bytes: Uint8Array<ArrayBuffer>;
  #pool: LentMemory | undefined;

  constructor(pool: LentMemory, buffer: ArrayBuffer, byteLength: number) {
    this.bytes = new Uint8Array(buffer, 0, byteLength);
    this.#pool = pool;
  }

  release(): void {
    assert(this.#pool !== undefined, "memory is released once");
    this.#pool.takeBack(this.bytes.buffer);
    this.#pool = undefined;
  }
}

/** Four sizes for each power of two: so few that one fits again, and a quarter too large at most. */
function sizeFor(byteLength: number): number {
  const step = 2 ** (Math.floor(Math.log2(byteLength)) - 2);
  return Math.ceil(byteLength / step) * step;
}

/** One lease for several: undefined for none. */
export function together(leases: readonly Lease[]): Memory | undefined {
  const [only] = leases;
  if (only === undefined || leases.length === 1) return only;
  return {
    release: () => {
      for (const lease of leases) lease.release();
    },
  };
}

/** Of bytes that `count` owners read: each of them releases it once. */
export function sharedBy(memory: Memory, count: number): Memory {
  if (count === 1) return memory;
  let left = count;
  return {
    release: () => {
      left--;
      if (left === 0) memory.release();
    },
  };
}
