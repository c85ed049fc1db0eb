/** How the last streams of a connection closed: what comes for one then has passed it on the way, or is an error. Pure. */

/** `ours`: we have reset it; what comes may have been sent before the client knew. */
export type Closing = "ours" | "theirs" | "both";

const KEPT = 1024;

export class ClosedStreams {
  /** Streams are numbered one after the other: each has its place, until another of so many later takes it. */
  readonly #streams = new Uint32Array(KEPT);
  readonly #closings: Closing[] = [];

  add(stream: number, closing: Closing): void {
    const place = (stream >>> 1) % KEPT;
    this.#streams[place] = stream;
    this.#closings[place] = closing;
  }

  /** @returns undefined for streams that never were, or too long ago */
  of(stream: number): Closing | undefined {
    const place = (stream >>> 1) % KEPT;
    return this.#streams[place] === stream ? this.#closings[place] : undefined;
  }
}
