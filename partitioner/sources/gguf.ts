/** The header of a GGUF file (versions 2 and 3): metadata and where its tensors lie. Source: ggml/docs/gguf.md. */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { bytesOf, isTensorType, TENSOR_TYPES } from "../quantize/tensor-type.ts";
import { ByteCursor, MoreBytesNeeded } from "./byte-cursor.ts";

/** Integers above 2^53 - 1 are bigint; all others number. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

export interface GgufTensor {
  readonly name: string;
  /** Fastest first, as in the file: [columns, rows, …]. */
  readonly dimensions: readonly number[];
  /** ggml's name, or `type 99` when nobody knows it. */
  readonly type: string;
  /** From the start of the file. */
  readonly offset: number;
}

export interface GgufFile {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const FIRST_READ_BYTES = 8 * 1024 * 1024; // most headers, vocabularies included
const HEADER_BYTES_MAX = 256 * 1024 * 1024;
const DIMENSIONS_MAX = 4;
const ARRAY_DEPTH_MAX = 4;

/** @throws ServingError NOT_FOUND, DATA_LOSS (damaged), UNIMPLEMENTED (a version or byte order that we do not read) */
export async function readGguf(files: ModelFiles, name: string): Promise<GgufFile> {
  const fileBytes = (await files.list()).find((file) => file.name === name)?.bytes;
  if (fileBytes === undefined) throw new ServingError("NOT_FOUND", `the model has no file '${name}'`);
  for (let length = FIRST_READ_BYTES; ; length *= 2) {
    const bytes = await files.readRange(name, 0, Math.min(length, fileBytes, HEADER_BYTES_MAX));
    try {
      return parseGguf(bytes, { name, fileBytes });
    } catch (thrown) {
      if (!(thrown instanceof MoreBytesNeeded)) throw thrown;
      if (bytes.length === HEADER_BYTES_MAX) {
        throw new ServingError("DATA_LOSS", `the header of '${name}' is larger than ${HEADER_BYTES_MAX} bytes`, { cause: thrown });
      }
    }
  }
}

/** Pure. @param bytes the file's first bytes @throws MoreBytesNeeded when the header is longer; else as `readGguf` */
export function parseGguf(bytes: Uint8Array, file: { name: string; fileBytes: number }): GgufFile {
  const cursor = new ByteCursor(bytes, file.fileBytes);
  if (cursor.u32() !== 0x46554747) throw new ServingError("DATA_LOSS", `'${file.name}' is no GGUF file: it does not begin with 'GGUF'`);
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw new ServingError("UNIMPLEMENTED", `'${file.name}' has GGUF version ${version}: only little-endian versions 2 and 3 are read`);
  }
  const tensorCount = cursor.count("number of tensors");
  const metadataCount = cursor.count("number of metadata entries");
  cursor.demand(tensorCount * 24 + metadataCount * 13); // the least that so many entries take
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = cursor.text();
    if (metadata.has(key)) throw new ServingError("DATA_LOSS", `'${file.name}' has the metadata key '${key}' twice`);
    metadata.set(key, readValue(cursor, cursor.u32(), key, 0));
  }
  const found: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) found.push(readTensor(cursor));
  const alignment = metadata.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
    throw new ServingError("DATA_LOSS", `'${file.name}' has an impossible general.alignment: ${alignment}`);
  }
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { name: file.name, metadata, tensors: placedTensors(found, { ...file, dataStart, alignment }) };
}

/** Value types by number: reader, and the least bytes that one takes in an array. */
const SCALARS: ReadonlyMap<number, readonly [read: (cursor: ByteCursor) => GgufValue, bytesMin: number]> = new Map([
  [0, [(c: ByteCursor) => c.u8(), 1]],
  [1, [(c: ByteCursor) => c.i8(), 1]],
  [2, [(c: ByteCursor) => c.u16(), 2]],
  [3, [(c: ByteCursor) => c.i16(), 2]],
  [4, [(c: ByteCursor) => c.u32(), 4]],
  [5, [(c: ByteCursor) => c.i32(), 4]],
  [6, [(c: ByteCursor) => c.f32(), 4]],
  [7, [(c: ByteCursor) => c.u8() !== 0, 1]],
  [8, [(c: ByteCursor) => c.text(), 8]],
  [10, [(c: ByteCursor) => c.u64(), 8]],
  [11, [(c: ByteCursor) => c.i64(), 8]],
  [12, [(c: ByteCursor) => c.f64(), 8]],
]);
const ARRAY = 9;

function readValue(cursor: ByteCursor, type: number, key: string, depth: number): GgufValue {
  const scalar = SCALARS.get(type);
  if (scalar !== undefined) return scalar[0](cursor);
  if (type !== ARRAY || depth === ARRAY_DEPTH_MAX)
    throw new ServingError("DATA_LOSS", `the metadata key '${key}' has an unknown type (${type})`);
  const itemType = cursor.u32();
  const length = cursor.count(`length of '${key}'`);
  cursor.demand(length * (SCALARS.get(itemType)?.[1] ?? 12));
  const items: GgufValue[] = [];
  for (let i = 0; i < length; i++) items.push(readValue(cursor, itemType, key, depth + 1));
  return items;
}

/** The tensor with its offset still counted from the start of the data. */
function readTensor(cursor: ByteCursor): GgufTensor {
  const name = cursor.text();
  const count = cursor.u32();
  if (count > DIMENSIONS_MAX) throw new ServingError("DATA_LOSS", `tensor '${name}' has ${count} dimensions, at most ${DIMENSIONS_MAX}`);
  const dimensions = Array.from({ length: count }, () => cursor.count(`dimension of '${name}'`));
  const type = cursor.u32();
  return { name, dimensions, type: TYPE_NAMES.get(type) ?? `type ${type}`, offset: cursor.count(`offset of '${name}'`) };
}

/** Checked: no two names alike, aligned, whole blocks, within the file. Types that we do not read are checked when one is asked for. */
function placedTensors(
  found: readonly GgufTensor[],
  file: { name: string; fileBytes: number; dataStart: number; alignment: number },
): ReadonlyMap<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const tensor of found) {
    const offset = file.dataStart + tensor.offset;
    const values = tensor.dimensions.reduce((product, size) => product * size, 1);
    const fits = (bytes: number) => Number.isSafeInteger(bytes) && offset + bytes <= file.fileBytes;
    if (tensors.has(tensor.name)) throw new ServingError("DATA_LOSS", `'${file.name}' has the tensor '${tensor.name}' twice`);
    if (tensor.offset % file.alignment !== 0)
      throw new ServingError("DATA_LOSS", `tensor '${tensor.name}' does not lie at a multiple of ${file.alignment}`);
    if (isTensorType(tensor.type)) {
      const columns = tensor.dimensions[0] ?? 1;
      if (columns % TENSOR_TYPES[tensor.type].block !== 0) {
        throw new ServingError("DATA_LOSS", `rows of tensor '${tensor.name}' (${columns} values) do not fill the blocks of ${tensor.type}`);
      }
      if (!fits(bytesOf(tensor.type, values))) {
        throw new ServingError(
          "DATA_LOSS",
          `tensor '${tensor.name}' passes the end of '${file.name}' (${file.fileBytes} bytes): fetch it again`,
        );
      }
    }
    tensors.set(tensor.name, { ...tensor, offset });
  }
  return tensors;
}

/** Source: enum ggml_type in ggml.h. */
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "F32"],
  [1, "F16"],
  [2, "Q4_0"],
  [3, "Q4_1"],
  [6, "Q5_0"],
  [7, "Q5_1"],
  [8, "Q8_0"],
  [9, "Q8_1"],
  [10, "Q2_K"],
  [11, "Q3_K"],
  [12, "Q4_K"],
  [13, "Q5_K"],
  [14, "Q6_K"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [20, "IQ4_NL"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [23, "IQ4_XS"],
  [24, "I8"],
  [25, "I16"],
  [26, "I32"],
  [27, "I64"],
  [28, "F64"],
  [29, "IQ1_M"],
  [30, "BF16"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);
