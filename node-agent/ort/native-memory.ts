/**
 * Memory for tensors outside V8's heap. On Linux it is mapped: pages cost memory once they are written to, and can be given back
 * while the rest stays. Elsewhere it is a plain buffer, and giving back only writes zeros.
 */
import { ServingError } from "../../core/errors.ts";
import { type LibC, linuxLibC } from "./libc.ts";

/** The smallest page that Linux may use on our machines is 4 KiB, the largest 64 KiB: whole multiples of this are whole pages. */
export const PAGE_BYTES = process.arch === "x64" ? 4096 : 65536;

export class NativeMemory implements Disposable {
  readonly #address: bigint;
  readonly #libc: LibC | undefined;
  /** What is mapped, where that can be mapped elsewhere too. */
  readonly #file: number | undefined;
  #buffer: ArrayBuffer;

  private constructor(buffer: ArrayBuffer, address = 0n, libc?: LibC, file?: number) {
    this.#buffer = buffer;
    this.#address = address;
    this.#libc = libc;
    this.#file = file;
  }

  /** Zeros. @throws ServingError RESOURCE_EXHAUSTED when the system refuses. */
  static allocate(byteLength: number): NativeMemory {
    const libc = linuxLibC();
    if (libc === undefined || byteLength === 0) return new NativeMemory(plainBuffer(byteLength));
    const address = libc.mapAnonymous(byteLength);
    if (address === undefined) throw tooMuch(byteLength);
    return new NativeMemory(libc.view(address, byteLength), address, libc);
  }

  /** Zeros that a MemoryWindow may show again, where the system allows that. @throws as `allocate` */
  static allocateShowable(byteLength: number): NativeMemory {
    const libc = byteLength === 0 ? undefined : linuxLibC();
    const file = libc?.createMemoryFile(byteLength);
    if (libc === undefined || file === undefined) return NativeMemory.allocate(byteLength);
    const address = libc.mapFile(file, byteLength);
    if (address !== undefined) return new NativeMemory(libc.view(address, byteLength), address, libc, file);
    libc.closeFile(file);
    throw tooMuch(byteLength);
  }

  /** Its arrays become empty when the memory is disposed. */
  get buffer(): ArrayBuffer {
    return this.#buffer;
  }

  /** undefined: this memory cannot be mapped a second time. */
  get file(): number | undefined {
    return this.#file;
  }

  /**
   * The content of [byteOffset, byteOffset + byteLength) is no longer wanted: whole pages inside go back to the system and read
   * as zeros; of the pages at both ends, which others may share, nothing changes.
   */
  discard(byteOffset: number, byteLength: number): void {
    const begin = Math.ceil(byteOffset / PAGE_BYTES) * PAGE_BYTES;
    const end = Math.floor((byteOffset + byteLength) / PAGE_BYTES) * PAGE_BYTES;
    if (end <= begin) return;
    if (this.#libc === undefined) new Uint8Array(this.#buffer, begin, end - begin).fill(0);
    else if (this.#file === undefined) this.#libc.discard(this.#address + BigInt(begin), end - begin);
    else this.#libc.discardFile({ file: this.#file, byteOffset: begin, byteLength: end - begin });
  }

  [Symbol.dispose](): void {
    const byteLength = this.#buffer.byteLength;
    if (byteLength === 0) return;
    this.#buffer.transfer(); // detaches it, so that no array can reach memory that is unmapped
    this.#libc?.unmap(this.#address, byteLength);
    if (this.#file !== undefined) this.#libc?.closeFile(this.#file);
  }
}

function plainBuffer(byteLength: number): ArrayBuffer {
  try {
    return new ArrayBuffer(byteLength);
  } catch (cause) {
    throw tooMuch(byteLength, cause);
  }
}

function tooMuch(byteLength: number, cause?: unknown): ServingError {
  const message = `no address space for ${byteLength} bytes: use fewer slots or a shorter context`;
  return new ServingError("RESOURCE_EXHAUSTED", message, { cause });
}
