/** Checked reading of hyperparameters from whatever map holds them. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { Hyperparameters } from "./checkpoint.ts";

const SIZE_MAX = 2 ** 24;

/** Fields by name; `undefined` where there is none. Nulls count as absent: config.json writes them. */
export class HyperparameterFields {
  readonly #origin: string;
  readonly #find: (name: string) => unknown;

  /** @param origin the file, for messages */
  constructor(origin: string, find: (name: string) => unknown) {
    this.#origin = origin;
    this.#find = (name) => find(name) ?? undefined;
  }

  /** @throws ServingError DATA_LOSS when the field is missing or no whole number in [1, 2^24] */
  size(name: string, fallback?: number): number {
    const value = this.#find(name) ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= SIZE_MAX) return value;
    throw this.#invalid(name, value, `a whole number from 1 to ${SIZE_MAX}`);
  }

  /** As `size`, undefined when the field is missing or 0. */
  optionalSize(name: string): number | undefined {
    const value = this.#find(name);
    return value === undefined || value === 0 ? undefined : this.size(name);
  }

  /** @throws ServingError DATA_LOSS when the field is missing or not above zero */
  positive(name: string, fallback?: number): number {
    const value = this.#find(name) ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw this.#invalid(name, value, "a number above zero");
  }

  text(name: string, fallback?: string): string {
    const value = this.#find(name) ?? fallback;
    if (typeof value === "string") return value;
    throw this.#invalid(name, value, "a text");
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#find(name) ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.#invalid(name, value, "true or false");
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  #invalid(name: string, value: unknown, wanted: string): ServingError {
    return new ServingError("DATA_LOSS", `${this.#origin}: '${name}' must be ${wanted}, not ${JSON.stringify(value)}`);
  }
}

/** @throws ServingError DATA_LOSS when the sizes contradict each other */
export function checkedHyperparameters(origin: string, hyperparameters: Hyperparameters): Hyperparameters {
  const { heads, kvHeads, headSize } = hyperparameters;
  const fail = (why: string) => new ServingError("DATA_LOSS", `${origin}: ${why}`);
  if (heads % kvHeads !== 0) throw fail(`${heads} attention heads do not share ${kvHeads} key-value heads evenly`);
  if (!Number.isInteger(headSize) || headSize % 2 !== 0) throw fail(`a head size of ${headSize} cannot be rotated in pairs`);
  return hyperparameters;
}
