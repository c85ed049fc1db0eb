/** The header of a safetensors file. Source: huggingface/safetensors README, "Format". */
import { ServingError } from "../../core/errors.ts";
import type { ModelFiles } from "../../core/repository/repository.ts";
import { objectFields, parseJsonObject } from "./json-object.ts";

export interface SafetensorsTensor {
  readonly name: string;
  readonly file: string;
  /** Such as `BF16`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

const HEADER_BYTES_MAX = 100_000_000; // the reference implementation's limit
const DTYPE_BYTES: ReadonlyMap<string, number> = new Map([
  ["F64", 8],
  ["I64", 8],
  ["U64", 8],
  ["F32", 4],
  ["I32", 4],
  ["U32", 4],
  ["F16", 2],
  ["BF16", 2],
  ["I16", 2],
  ["U16", 2],
  ["F8_E4M3", 1],
  ["F8_E5M2", 1],
  ["F8_E8M0", 1],
  ["I8", 1],
  ["U8", 1],
  ["BOOL", 1],
]);

/** The tensors of one file. @throws ServingError NOT_FOUND, DATA_LOSS when the header lies about the file */
export async function readSafetensors(files: ModelFiles, name: string): Promise<ReadonlyMap<string, SafetensorsTensor>> {
  const fileBytes = (await files.list()).find((file) => file.name === name)?.bytes;
  if (fileBytes === undefined) throw new ServingError("NOT_FOUND", `the model has no file '${name}'`);
  const damaged = (why: string) => new ServingError("DATA_LOSS", `'${name}' is no valid safetensors file: ${why}`);
  if (fileBytes < 8) throw damaged(`it has ${fileBytes} bytes`);
  const prefix = await files.readRange(name, 0, 8);
  const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerBytes > HEADER_BYTES_MAX || 8 + headerBytes > fileBytes) throw damaged(`its header claims ${headerBytes} bytes`);
  const header = parseJsonObject(await files.readRange(name, 8, headerBytes), `the header of '${name}'`);
  return parseSafetensors(header, { name, dataStart: 8 + headerBytes, fileBytes });
}

/** Pure. */
export function parseSafetensors(
  header: ReadonlyMap<string, unknown>,
  file: { name: string; dataStart: number; fileBytes: number },
): ReadonlyMap<string, SafetensorsTensor> {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, entry] of header) {
    if (name !== "__metadata__") tensors.set(name, parseEntry(name, objectFields(entry) ?? new Map(), file));
  }
  let end = file.dataStart;
  for (const tensor of [...tensors.values()].sort((one, other) => one.offset - other.offset)) {
    if (tensor.bytes > 0 && tensor.offset < end) {
      throw new ServingError("DATA_LOSS", `'${file.name}': tensor '${tensor.name}' overlaps another`);
    }
    end = Math.max(end, tensor.offset + tensor.bytes);
  }
  return tensors;
}

function parseEntry(
  name: string,
  fields: ReadonlyMap<string, unknown>,
  file: { name: string; dataStart: number; fileBytes: number },
): SafetensorsTensor {
  const damaged = (why: string) => new ServingError("DATA_LOSS", `'${file.name}': tensor '${name}' ${why}`);
  const dtype = fields.get("dtype");
  const shape = wholeNumbers(fields.get("shape"));
  const offsets = wholeNumbers(fields.get("data_offsets"));
  if (typeof dtype !== "string" || shape === undefined) throw damaged("has no dtype and shape");
  const [begin, end] = offsets ?? [];
  if (begin === undefined || end === undefined || offsets?.length !== 2 || end < begin) throw damaged("has no valid data_offsets");
  if (file.dataStart + end > file.fileBytes) throw damaged(`passes the end of the file (${file.fileBytes} bytes): fetch it again`);
  const valueBytes = DTYPE_BYTES.get(dtype);
  const bytes = shape.reduce((product, size) => product * size, valueBytes ?? 0);
  if (valueBytes !== undefined && bytes !== end - begin)
    throw damaged(`takes ${bytes} bytes by shape and dtype, but ${end - begin} by data_offsets`);
  return { name, file: file.name, dtype, shape, offset: file.dataStart + begin, bytes: end - begin };
}

function wholeNumbers(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const numbers = value.filter((item): item is number => typeof item === "number" && Number.isSafeInteger(item) && item >= 0);
  return numbers.length === value.length ? numbers : undefined;
}
