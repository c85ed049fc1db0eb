/** The `data` of an output that came as JSON, as the bytes it would have come in. Pure. */
import type { Dtype } from "../../core/tensor/dtype.ts";
import { unreadable } from "../client-error.ts";
import { writeElements } from "../elements.ts";

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
