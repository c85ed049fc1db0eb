/** Cuts a connection's bytes into answers of HTTP/1.1, of which only the status is read. Pure. */
import { ServingError } from "../../core/errors.ts";

const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_END = "\r\n\r\n";

export interface HttpAnswerListener {
  /** @param body of answers that are no success, as far as it was kept */
  answer(status: number, body: string): void;
}

const FAILURE_BYTES_KEPT = 1_000;

export class HttpAnswers {
  readonly #listener: HttpAnswerListener;
  /** The beginning of a head whose end has not come. */
  #head: Buffer | undefined;
  #status = 0;
  /** Bytes of the body that are still to come. */
  #left = 0;
  #kept = "";

  constructor(listener: HttpAnswerListener) {
    this.#listener = listener;
  }

  /** @throws ServingError INTERNAL for what is no answer with a known length */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#left === 0) {
        const begun = this.#head === undefined ? 0 : this.#head.length;
        const bytes = this.#head === undefined ? chunk.subarray(offset) : Buffer.concat([this.#head, chunk.subarray(offset)]);
        const end = bytes.indexOf(HEAD_END, Math.max(0, begun - HEAD_END.length), "latin1");
        if (end === -1) {
          if (bytes.length > HEAD_BYTES_MAX) throw new ServingError("INTERNAL", `an answer's head has more than ${HEAD_BYTES_MAX} bytes`);
          this.#head = bytes;
          return;
        }
        this.#head = undefined;
        this.#readHead(bytes.toString("latin1", 0, end));
        offset += end + HEAD_END.length - begun;
      }
      offset += this.#readBody(chunk, offset);
    }
  }

  #readHead(head: string): void {
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (!head.startsWith("HTTP/1.1 ") || length === undefined)
      throw new ServingError("INTERNAL", `an answer that begins with ${JSON.stringify(head.slice(0, 40))} has no content-length`);
    this.#left = Number(length);
    this.#kept = "";
  }

  /** @returns bytes of the chunk that belong to this body */
  #readBody(chunk: Buffer, offset: number): number {
    const taken = Math.min(this.#left, chunk.length - offset);
    this.#left -= taken;
    if (this.#status !== 200 && this.#kept.length < FAILURE_BYTES_KEPT) this.#kept += chunk.toString("utf8", offset, offset + taken);
    if (this.#left === 0) this.#listener.answer(this.#status, this.#kept);
    return taken;
  }
}
