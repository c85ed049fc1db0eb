/** Cuts a stream of chunks into lines of text, of bounded length. Pure. */

export class LineReader {
  readonly #charactersMax: number;
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** @param charactersMax longer lines are cut there */
  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax;
  }

  /** The lines that `chunk` completes, without their ends; empty ones are left out. */
  push(chunk: Uint8Array): readonly string[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, this.#charactersMax);
    return lines.filter((line) => line.trim().length > 0).map((line) => line.slice(0, this.#charactersMax));
  }

  /** What came after the last line's end, if anything. */
  end(): readonly string[] {
    const rest = this.#rest.trim();
    this.#rest = "";
    return rest.length > 0 ? [rest] : [];
  }
}
