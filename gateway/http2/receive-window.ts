/** What a peer may still send, of a stream or a connection: opened again as what it sent is used, by half its size or more at once. Pure. */

export class ReceiveWindow {
  readonly #size: number;
  #open: number;
  #used = 0;

  constructor(size: number, open = size) {
    this.#size = size;
    this.#open = open;
  }

  /** @returns false where the peer has sent more than it may */
  arrive(bytes: number): boolean {
    this.#open -= bytes;
    return this.#open >= 0;
  }

  /** @returns by how much to tell the peer that it is open again; 0: nothing to tell yet */
  use(bytes: number): number {
    this.#used += bytes;
    if (this.#used < this.#size / 2) return 0;
    const opened = this.#used;
    this.#open += opened;
    this.#used = 0;
    return opened;
  }
}
