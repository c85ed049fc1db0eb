/** Writes a binary message: little-endian, growing as needed. Pure. */

const encoder = new TextEncoder();

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** @param capacity bytes expected; more only cost a copy */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    const offset = this.#grow(1);
    this.#view.setUint8(offset, value);
  }

  u16(value: number): void {
    const offset = this.#grow(2);
    this.#view.setUint16(offset, value, true);
  }

  u32(value: number): void {
    const offset = this.#grow(4);
    this.#view.setUint32(offset, value, true);
  }

  i32(value: number): void {
    const offset = this.#grow(4);
    this.#view.setInt32(offset, value, true);
  }

  f64(value: number): void {
    const offset = this.#grow(8);
    this.#view.setFloat64(offset, value, true);
  }

  u64(value: bigint): void {
    const offset = this.#grow(8);
    this.#view.setBigUint64(offset, value, true);
  }

  /** UTF-8 after its length in bytes as u32. */
  text(value: string): void {
    const bytes = encoder.encode(value);
    this.u32(bytes.byteLength);
    this.bytes(bytes);
  }

  bytes(value: Uint8Array): void {
    const offset = this.#grow(value.byteLength);
    this.#bytes.set(value, offset);
  }

  /** What was written; nothing may be written afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Room for `count` bytes more. @returns where they begin */
  #grow(count: number): number {
    const offset = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.byteLength * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return offset;
  }
}
