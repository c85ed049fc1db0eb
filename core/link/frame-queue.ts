/** Frames on their way out of a stream, written as fast as its reader takes them. */
import type { LinkStream } from "./link.ts";

export class FrameQueue {
  readonly #stream: LinkStream;
  readonly #onRoom: () => void;
  readonly #waiting: Uint8Array[] = [];
  #isLast = false;

  /** @param onRoom all is written, after `put` has said that it was not. Whoever listens to the stream calls `writeOn` when it is writable */
  constructor(stream: LinkStream, onRoom: () => void) {
    this.#stream = stream;
    this.#onRoom = onRoom;
  }

  /** @returns whether all is written: if not, `onRoom` is called once more may be put in */
  put(frames: readonly Uint8Array[]): boolean {
    this.#waiting.push(...frames);
    this.#write();
    return this.#waiting.length === 0;
  }

  /** Ends the stream when all is written. */
  end(): void {
    this.#isLast = true;
    this.#write();
  }

  writeOn(): void {
    if (this.#waiting.length === 0) return;
    this.#write();
    if (this.#waiting.length === 0 && !this.#isLast) this.#onRoom();
  }

  #write(): void {
    let written = 0;
    for (; this.#stream.credit > 0 && written < this.#waiting.length; written++) {
      const frame = this.#waiting[written];
      if (frame !== undefined) this.#stream.write(frame);
    }
    this.#waiting.splice(0, written);
    if (this.#isLast && this.#waiting.length === 0) this.#stream.end();
  }
}
