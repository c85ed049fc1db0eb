/** The header `grpc-timeout`: at most eight digits and a unit. Source: grpc/grpc doc/PROTOCOL-HTTP2.md. Pure. */
import { ServingError } from "../../core/errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds, undefined without the header. @throws ServingError INVALID_ARGUMENT when it is malformed. */
export function parseTimeout(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const unit = UNIT_MS[header.at(-1) ?? ""];
  if (unit === undefined || !/^\d{1,8}[HMSmun]$/.test(header)) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `grpc-timeout '${header.slice(0, 20)}' is malformed: up to eight digits and one of H M S m u n`,
    );
  }
  return Number(header.slice(0, -1)) * unit;
}
