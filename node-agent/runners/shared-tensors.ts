/**
 * Memory that an agent shares with one runner, so that large tensors do not go through a socket: inputs in its first half, outputs in
 * its second, one behind the other. One batch at a time is there: the agent writes inputs before it asks, the runner outputs before it
 * answers. Pages cost memory once they are written to. For Linux; elsewhere tensors travel.
 */
import { fstatSync } from "node:fs";
import { LENT_BYTES_MAX } from "../../core/bytes/lent-memory.ts";
import { type LibC, linuxLibC } from "../ort/libc.ts";

/** The file descriptor under which a runner inherits it: its standard input, which it has no other use for. */
export const SHARED_FD = 0;
/** What lies there at most, of inputs and of outputs. */
const HALF_BYTES = LENT_BYTES_MAX;
/** What vector instructions like best. */
const ALIGNMENT = 64;

export class SharedTensors implements Disposable {
  readonly file: number;
  readonly #libc: LibC;
  readonly #address: bigint;
  readonly #buffer: ArrayBuffer;

  private constructor(libc: LibC, file: number, address: bigint) {
    this.#libc = libc;
    this.file = file;
    this.#address = address;
    this.#buffer = libc.view(address, 2 * HALF_BYTES);
  }

  /** The agent's end. @returns undefined where the system has no such memory */
  static create(): SharedTensors | undefined {
    const libc = linuxLibC();
    const file = libc?.createMemoryFile(2 * HALF_BYTES);
    return libc === undefined || file === undefined ? undefined : SharedTensors.#open(libc, file);
  }

  /** The runner's end. @returns undefined where its agent shares nothing */
  static inherited(file: number): SharedTensors | undefined {
    const libc = linuxLibC();
    const { size } = fstatSync(file);
    return libc === undefined || size !== 2 * HALF_BYTES ? undefined : SharedTensors.#open(libc, file);
  }

  static #open(libc: LibC, file: number): SharedTensors | undefined {
    const address = libc.mapFile(file, 2 * HALF_BYTES);
    if (address !== undefined) return new SharedTensors(libc, file, address);
    libc.closeFile(file);
    return undefined;
  }

  /** Where inputs of these lengths are; undefined: there is no room for so many. */
  inputs(byteLengths: readonly number[]): readonly Uint8Array[] | undefined {
    return this.#places(0, byteLengths);
  }

  /** As `inputs`. */
  outputs(byteLengths: readonly number[]): readonly Uint8Array[] | undefined {
    return this.#places(HALF_BYTES, byteLengths);
  }

  /** Once it is certain that nobody reads it. */
  [Symbol.dispose](): void {
    this.#buffer.transfer(); // detaches it, so that no array can reach memory that is unmapped
    this.#libc.unmap(this.#address, 2 * HALF_BYTES);
    this.#libc.closeFile(this.file);
  }

  #places(begin: number, byteLengths: readonly number[]): readonly Uint8Array[] | undefined {
    const places: Uint8Array[] = [];
    let at = begin;
    for (const byteLength of byteLengths) {
      if (at + byteLength > begin + HALF_BYTES) return undefined;
      places.push(new Uint8Array(this.#buffer, at, byteLength));
      at += Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
    }
    return places;
  }
}
