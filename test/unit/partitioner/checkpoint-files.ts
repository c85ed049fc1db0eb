/** Checkpoint files made of values, as bytes: GGUF and safetensors writers for tests. */

const encoder = new TextEncoder();

export interface FileTensor {
  /** Slowest first: [rows, columns]. */
  readonly shape: readonly number[];
  /** ggml's name for GGUF, the dtype for safetensors. */
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** ggml's numbers. */
const GGML_TYPES: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
};

export type MetadataValue =
  | string
  | boolean
  | readonly string[]
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly u64: bigint };

class Bytes {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  push(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }
  u32 = (value: number): this => this.push(new Uint8Array(Uint32Array.of(value).buffer));
  u64 = (value: number | bigint): this => this.push(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  f32 = (value: number): this => this.push(new Uint8Array(Float32Array.of(value).buffer));
  text = (value: string): this => this.u64(encoder.encode(value).length).push(encoder.encode(value));
  pad = (alignment: number): this => this.push(new Uint8Array((alignment - (this.length % alignment)) % alignment));
  joined(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

export function ggufFile(metadata: Readonly<Record<string, MetadataValue>>, tensors: Readonly<Record<string, FileTensor>>): Uint8Array {
  const out = new Bytes().u32(0x46554747).u32(3).u64(Object.keys(tensors).length).u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    out.text(key);
    if (typeof value === "string") out.u32(8).text(value);
    else if (typeof value === "boolean") out.u32(7).push(Uint8Array.of(value ? 1 : 0));
    else if ("u32" in value) out.u32(4).u32(value.u32);
    else if ("f32" in value) out.u32(6).f32(value.f32);
    else if ("u64" in value) out.u32(10).u64(value.u64);
    else {
      out.u32(9).u32(8).u64(value.length);
      for (const item of value) out.text(item);
    }
  }
  let offset = 0;
  for (const [name, { shape, type, bytes }] of Object.entries(tensors)) {
    out.text(name).u32(shape.length);
    for (const size of [...shape].reverse()) out.u64(size);
    out.u32(GGML_TYPES[type] ?? 99).u64(offset);
    offset += Math.ceil(bytes.length / 32) * 32;
  }
  out.pad(32);
  for (const { bytes } of Object.values(tensors)) out.push(bytes).pad(32);
  return out.joined();
}

/** @param change edits the header before it is written */
export function safetensorsFile(
  tensors: Readonly<Record<string, FileTensor>>,
  change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => void = () => {},
): Uint8Array {
  const header: Parameters<typeof change>[0] = {};
  const data = new Bytes();
  for (const [name, { shape, type, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype: type, shape: [...shape], data_offsets: [data.length, data.length + bytes.length] };
    data.push(bytes);
  }
  change(header);
  const text = encoder.encode(JSON.stringify(header));
  return new Bytes().u64(text.length).push(text).push(data.joined()).joined();
}
