/** The `data` of tensors in JSON: as the bytes they would come in, and from them. Pure. */
import type { Dtype } from "../../core/tensor/dtype.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { unreadable, unsendable } from "../client-error.ts";
import { readElements, writeElements } from "../elements.ts";

/** @throws ClientError INTERNAL for elements that are none of the datatype */
export function jsonElements(dtype: Dtype, data: readonly unknown[]): Uint8Array {
  switch (dtype) {
    case "BYTES":
      return writeElements(dtype, data.map(String));
    case "BOOL":
      return writeElements(dtype, data.map(Boolean));
    case "INT64":
    case "UINT64":
      return writeElements(dtype, data.filter(isWhole));
    default:
      return writeElements(dtype, data.map(numberOf));
  }
}

function isWhole(value: unknown): value is number | bigint {
  if (typeof value === "bigint" || typeof value === "number") return true;
  throw unreadable(`${JSON.stringify(value)} among whole numbers`);
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  throw unreadable(`${JSON.stringify(value)} among numbers`);
}

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws ClientError INVALID_ARGUMENT for what JSON has no form for */
export function jsonData({ name, dtype, data }: Tensor): string {
  switch (dtype) {
    case "FP16":
    case "BF16":
      throw unsendable(`input '${name}' is ${dtype}, which JSON cannot hold: send it as bytes`);
    case "BYTES":
      return JSON.stringify(readElements(dtype, data).map((bytes) => textOf(name, bytes)));
    case "BOOL":
      return JSON.stringify(Array.from(data, Boolean));
    case "FP32":
    case "FP64":
      return `[${Array.from(readElements(dtype, data), (value) => numberText(name, value)).join(",")}]`;
    default:
      return `[${readElements(dtype, data).join(",")}]`;
  }
}

function numberText(name: string, value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  throw unsendable(`input '${name}' has ${value}, which JSON cannot hold: send it as bytes`);
}

function textOf(name: string, bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes);
  } catch {
    throw unsendable(`input '${name}' has a string that is no UTF-8, which JSON cannot hold: send it as bytes`);
  }
}
