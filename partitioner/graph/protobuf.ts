/** Writing protobuf messages, as much of it as ONNX files need. Source: protobuf.dev, "Encoding". Pure. */

const ENCODER = new TextEncoder();
const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A message under construction: a list of byte runs and their total length, joined once. */
export class ProtobufMessage {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** @param value negative ones are written as int64 */
  int(field: number, value: number | bigint): this {
    return this.#tag(field, VARINT).#push(varint(value));
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#tag(field, FIXED32).#push(bytes);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, LENGTH_DELIMITED).#push(varint(value.length)).#push(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, ENCODER.encode(value));
  }

  /** The message as it is now; its bytes are not copied. */
  message(field: number, value: ProtobufMessage): this {
    this.#tag(field, LENGTH_DELIMITED).#push(varint(value.#length));
    for (const part of value.#parts) this.#push(part);
    return this;
  }

  encode(): Uint8Array {
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  #tag(field: number, wireType: number): this {
    return this.#push(varint((field << 3) | wireType));
  }

  #push(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }
}

/** Seven bits a byte, lowest first, the eighth saying that more follow. */
function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
