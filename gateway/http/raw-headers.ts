/** Headers as Node has them, in the forms that handlers ask for. */
import type { IncomingMessage } from "node:http";

export function headerOf(raw: IncomingMessage, name: string): string | undefined {
  const value = raw.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** @param flat names and values in turn, as Node has them */
export function headerPairs(flat: readonly string[]): readonly (readonly [name: string, value: string])[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? ""] as const] : []));
}
