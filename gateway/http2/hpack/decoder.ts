/** Reads header blocks. Every block has to be read, also of refused streams: it may change what the next ones mean. Source: RFC 7541. Pure. */
import type { Buffer } from "node:buffer";
import { DynamicTable, fieldBytes } from "./dynamic-table.ts";
import { huffmanDecoded } from "./huffman.ts";
import { type HeaderField, STATIC_TABLE } from "./static-table.ts";

export interface HeaderList {
  readonly fields: readonly HeaderField[];
  /** The list is larger than the limit: only its beginning is in `fields`. */
  readonly oversized: boolean;
}

/** The largest integer that is read; tables, lists and blocks are smaller. */
const INTEGER_MAX = 2 ** 24;

export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  #block: Buffer | undefined;
  #at = 0;
  #broken = false;

  /** @param listBytesMax as SETTINGS_MAX_HEADER_LIST_SIZE counts: 32 for each field, its name and its value */
  constructor({ tableBytesMax, listBytesMax }: { readonly tableBytesMax: number; readonly listBytesMax: number }) {
    this.#table = new DynamicTable(tableBytesMax);
    this.#tableBytesMax = tableBytesMax;
    this.#listBytesMax = listBytesMax;
  }

  /** The same bytes mean the same while this is the same, and they have not changed it. */
  get version(): number {
    return this.#table.version;
  }

  /** @returns undefined for a block that cannot be read: no later one can be either */
  decode(block: Buffer): HeaderList | undefined {
    this.#block = block;
    this.#at = 0;
    const fields: HeaderField[] = [];
    let bytes = 0;
    while (this.#at < block.byteLength && !this.#broken) {
      const first = block[this.#at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        this.#resize(fields.length > 0 || bytes > 0);
        continue;
      }
      const field = this.#field(first);
      if (field === undefined) break;
      bytes += fieldBytes(field);
      if (bytes <= this.#listBytesMax) fields.push(field);
    }
    this.#block = undefined;
    return this.#broken ? undefined : { fields, oversized: bytes > this.#listBytesMax };
  }

  #field(first: number): HeaderField | undefined {
    if (first >= 0x80) return this.#indexed(this.#integer(0x7f));
    const keeps = first >= 0x40;
    const index = this.#integer(keeps ? 0x3f : 0x0f);
    const name = index === 0 ? this.#text() : this.#indexed(index)?.name;
    const value = name === undefined ? undefined : this.#text();
    if (name === undefined || value === undefined) return undefined;
    const field = { name, value };
    if (keeps) this.#table.add(field);
    return field;
  }

  #indexed(index: number): HeaderField | undefined {
    const field = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table.at(index - 1 - STATIC_TABLE.length);
    if (field === undefined) this.#broken = true;
    return field;
  }

  /** Only before the first field: RFC 7541, section 4.2. */
  #resize(isLate: boolean): void {
    const bytesMax = this.#integer(0x1f);
    if (isLate || bytesMax > this.#tableBytesMax) this.#broken = true;
    else this.#table.resize(bytesMax);
  }

  #text(): string | undefined {
    const block = this.#block;
    const isHuffman = (block?.[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    this.#at += length;
    const isCut = block === undefined || this.#at > block.byteLength;
    const text = isCut ? undefined : isHuffman ? huffmanDecoded(block, start, this.#at) : block.toString("latin1", start, this.#at);
    if (text === undefined) this.#broken = true;
    return text;
  }

  /** @param prefix the bits of the first byte that belong to it, all ones when more bytes follow */
  #integer(prefix: number): number {
    const block = this.#block;
    let value = (block?.[this.#at++] ?? 0) & prefix;
    if (value < prefix) return value;
    for (let factor = 1; value <= INTEGER_MAX && factor <= INTEGER_MAX; factor *= 128) {
      const byte = block?.[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    this.#broken = true;
    return 0;
  }
}
