/** Finds the heads of requests in a connection's bytes. Clients repeat themselves: a head that is the one before it is not read again. Pure. */
import type { Addressed } from "./addressed.ts";
import { HEAD_BYTES_MAX, type HeadFault, parseRequestHead, partialHeadFault, type RequestHead } from "./request-head.ts";

const HEAD_END = Buffer.from("\r\n\r\n");
/** Longer heads are read each time: a connection is to cost little memory while nothing runs on it. */
const REMEMBERED_BYTES_MAX = 2_048;

export class HeadReader {
  readonly #address: (head: RequestHead) => Addressed;
  #text = "";
  #last: Addressed | undefined;

  constructor(address: (head: RequestHead) => Addressed) {
    this.#address = address;
  }

  /** @returns the head that the bytes begin with; undefined: it is not whole yet, and nothing speaks against it */
  read(bytes: Buffer): Addressed | HeadFault | undefined {
    if (this.#last !== undefined && bytes.toString("latin1", 0, this.#text.length) === this.#text) return this.#last;
    const end = bytes.indexOf(HEAD_END);
    if (end === -1) return partialHeadFault(bytes.toString("latin1", 0, HEAD_BYTES_MAX + 1));
    if (end > HEAD_BYTES_MAX) return "head-too-large";
    const text = bytes.toString("latin1", 0, end + HEAD_END.byteLength);
    const head = parseRequestHead(text.slice(0, -2));
    if (typeof head === "string") return head;
    const addressed = this.#address(head);
    const isRemembered = text.length <= REMEMBERED_BYTES_MAX;
    this.#last = isRemembered ? addressed : undefined;
    this.#text = isRemembered ? text : "";
    return addressed;
  }
}
