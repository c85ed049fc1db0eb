/**
 * Addresses at which parts of a memory are seen again: what is written at one place is there at all others, without a copy. For
 * Linux; where it is missing, do without.
 */
import { type LibC, linuxLibC } from "./libc.ts";
import type { NativeMemory } from "./native-memory.ts";

export class MemoryWindow implements Disposable {
  readonly #libc: LibC;
  readonly #file: number;
  readonly #address: bigint;
  #buffer: ArrayBuffer;

  private constructor(libc: LibC, file: number, address: bigint, byteLength: number) {
    this.#libc = libc;
    this.#file = file;
    this.#address = address;
    this.#buffer = libc.view(address, byteLength);
  }

  /** Shows nothing yet, and must not be read before it does. @returns undefined when this memory, or this system, has no windows */
  static open(memory: NativeMemory, byteLength: number): MemoryWindow | undefined {
    const libc = linuxLibC();
    if (libc === undefined || memory.file === undefined) return undefined;
    const address = libc.reserve(byteLength);
    return address === undefined ? undefined : new MemoryWindow(libc, memory.file, address, byteLength);
  }

  /** Its arrays become empty when the window is disposed. */
  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  /** A part of the memory is seen at [at, at + byteLength) of the window. All are multiples of PAGE_BYTES. @returns whether it could be */
  show(at: number, { byteOffset, byteLength }: { readonly byteOffset: number; readonly byteLength: number }): boolean {
    return this.#libc.mapFileAt(this.#address + BigInt(at), { file: this.#file, byteOffset, byteLength });
  }

  /** Shows nothing again: what it showed counts as this process's memory once for each place. */
  clear(): void {
    this.#libc.unmapReserved(this.#address, this.#buffer.byteLength);
  }

  [Symbol.dispose](): void {
    const byteLength = this.#buffer.byteLength;
    if (byteLength === 0) return;
    this.#buffer.transfer(); // detaches it, so that no array can reach addresses that are given back
    this.#libc.unmap(this.#address, byteLength);
  }
}
