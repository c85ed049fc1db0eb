/** The fields that a peer has had us remember, the newest first; the oldest go where there is no room. Source: RFC 7541, section 4. Pure. */
import type { HeaderField } from "./static-table.ts";

/** What an entry counts besides its name and value: RFC 7541, section 4.1. */
const ENTRY_BYTES = 32;

export const fieldBytes = ({ name, value }: HeaderField): number => ENTRY_BYTES + name.length + value.length;

export class DynamicTable {
  /** The oldest first. */
  readonly #fields: HeaderField[] = [];
  #bytes = 0;
  #bytesMax: number;
  #version = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Another whenever indexes may mean something else. */
  get version(): number {
    return this.#version;
  }

  /** @param index 0: the newest. @returns undefined for none */
  at(index: number): HeaderField | undefined {
    return this.#fields[this.#fields.length - 1 - index];
  }

  /** A field that is larger than the table empties it. */
  add(field: HeaderField): void {
    this.#version++;
    this.#bytes += fieldBytes(field);
    this.#fields.push(field);
    this.#evict();
  }

  resize(bytesMax: number): void {
    this.#version++;
    this.#bytesMax = bytesMax;
    this.#evict();
  }

  #evict(): void {
    let gone = 0;
    for (const field of this.#fields) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#bytes -= fieldBytes(field);
      gone++;
    }
    if (gone > 0) this.#fields.splice(0, gone);
  }
}
