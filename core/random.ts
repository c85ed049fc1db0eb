/** Chance as an argument. `counterRandom` is a pure function of its key; `systemRandom` is for ids and seeds. */
import { randomBytes } from "node:crypto";

/** Mixes 64 bits; Stafford's variant 13 of MurmurHash3's finalizer, as in SplitMix64 (Steele, Lea, Flood 2014). */
function mix64(value: bigint): bigint {
  let z = BigInt.asUintN(64, value);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

const GAMMA = 0x9e3779b97f4a7c15n;

/**
 * A number in [0, 1) with 53 random bits that depends on (seed, choice, position) alone, so that a position can be drawn
 * again by any process at any time and nothing has to be carried over.
 */
export function counterRandom(seed: bigint, choice: number, position: number): number {
  const counter = (BigInt(choice) << 32n) | BigInt(position);
  return Number(mix64(mix64(seed + GAMMA) ^ mix64(counter * GAMMA + GAMMA)) >> 11n) / 2 ** 53;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** 64 random bits. */
  seed(): bigint;
  /** 128 random bits as 32 hexadecimal digits. */
  id(): string;
}

export const systemRandom: Random = {
  next: () => Math.random(),
  seed: () => randomBytes(8).readBigUInt64LE(),
  id: () => randomBytes(16).toString("hex"),
};

/** The same numbers for the same seed: for simulations and tests. */
export function seededRandom(seed: bigint): Random {
  let state = seed;
  const draw = (): bigint => {
    state = BigInt.asUintN(64, state + GAMMA);
    return mix64(state);
  };
  return {
    next: () => Number(draw() >> 11n) / 2 ** 53,
    seed: draw,
    id: () => draw().toString(16).padStart(16, "0") + draw().toString(16).padStart(16, "0"),
  };
}
