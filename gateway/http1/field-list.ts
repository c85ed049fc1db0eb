/** The fields of a request's head, found without regard to case. Pure. */

export class FieldList {
  /** Names, as the client wrote them, and values in turn. */
  readonly #flat: readonly string[];

  constructor(flat: readonly string[]) {
    this.#flat = flat;
  }

  get size(): number {
    return this.#flat.length / 2;
  }

  /** @param name in lower case @returns repeated ones joined by ", " */
  get(name: string): string | undefined {
    let value: string | undefined;
    for (let at = 0; at < this.#flat.length; at += 2) {
      if (isName(this.#flat[at] ?? "", name)) value = value === undefined ? this.#flat[at + 1] : `${value}, ${this.#flat[at + 1]}`;
    }
    return value;
  }

  /** @param name in lower case */
  count(name: string): number {
    let count = 0;
    for (let at = 0; at < this.#flat.length; at += 2) if (isName(this.#flat[at] ?? "", name)) count++;
    return count;
  }

  pairs(): readonly (readonly [name: string, value: string])[] {
    return this.#flat.flatMap((name, at) => (at % 2 === 0 ? [[name, this.#flat[at + 1] ?? ""] as const] : []));
  }
}

/** Most names differ in length: only the others are brought to lower case. */
const isName = (given: string, name: string): boolean => given.length === name.length && (given === name || given.toLowerCase() === name);
