/** Makes whole answers. Pure. */
import type { WholeAnswer } from "./route.ts";

const NO_HEADERS: Readonly<Record<string, string>> = {};

export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = NO_HEADERS): WholeAnswer {
  return { kind: "whole", status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

export function emptyAnswer(status: number): WholeAnswer {
  return { kind: "whole", status, headers: NO_HEADERS, body: "" };
}

/** In whole seconds, as HTTP counts, and never too early. */
export function retryAfter(ms: number): Readonly<Record<"retry-after", string>> {
  return { "retry-after": String(Math.max(1, Math.ceil(ms / 1_000))) };
}
