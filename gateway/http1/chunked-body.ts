/** Takes the chunks of a body apart (RFC 9112, section 7.1), strictly: whatever follows the size or the data must be what the standard has there. Pure. */

const LINE_FEED = 0x0a;
/** A chunk's size and its extensions, which nobody uses. */
const LINE_BYTES_MAX = 256;
const TRAILERS_BYTES_MAX = 16 * 1024;
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/;

type Part = "size" | "data" | "data-end" | "trailers" | "over" | "malformed";

export class ChunkedBody {
  #part: Part = "size";
  #line = "";
  #trailersBytes = 0;
  #left = 0;
  /** Chunks with something in them. */
  chunks = 0;

  get over(): boolean {
    return this.#part === "over";
  }

  get malformed(): boolean {
    return this.#part === "malformed";
  }

  /**
   * @param take gets the data in the pieces in which it came
   * @returns how many of the bytes belong to the body; fewer than there are when it is over or malformed
   */
  push(bytes: Uint8Array<ArrayBuffer>, take: (data: Uint8Array<ArrayBuffer>) => void): number {
    let at = 0;
    while (at < bytes.byteLength && this.#part !== "over" && this.#part !== "malformed") {
      if (this.#part === "data") {
        const data = bytes.subarray(at, at + this.#left);
        take(data);
        at += data.byteLength;
        this.#left -= data.byteLength;
        if (this.#left === 0) this.#part = "data-end";
      } else {
        at = this.#readLine(bytes, at);
      }
    }
    return at;
  }

  /** @returns where the line ends, or the bytes do */
  #readLine(bytes: Uint8Array, start: number): number {
    const found = bytes.indexOf(LINE_FEED, start);
    const end = found === -1 ? bytes.byteLength : found + 1;
    if (this.#line.length + end - start > (this.#part === "trailers" ? TRAILERS_BYTES_MAX : LINE_BYTES_MAX)) {
      this.#part = "malformed";
      return end;
    }
    for (let at = start; at < end; at++) this.#line += String.fromCharCode(bytes[at] ?? 0);
    if (found === -1) return end;
    this.#part = this.#after(this.#line);
    this.#line = "";
    return end;
  }

  #after(line: string): Part {
    if (this.#part === "data-end") return line === "\r\n" ? "size" : "malformed";
    if (this.#part === "trailers") {
      if (line === "\r\n") return "over";
      this.#trailersBytes += line.length;
      return line.endsWith("\r\n") && this.#trailersBytes <= TRAILERS_BYTES_MAX ? "trailers" : "malformed";
    }
    const size = SIZE_LINE.exec(line)?.[1];
    if (size === undefined) return "malformed";
    this.#left = Number.parseInt(size, 16);
    if (this.#left === 0) return "trailers";
    this.chunks++;
    return "data";
  }
}
