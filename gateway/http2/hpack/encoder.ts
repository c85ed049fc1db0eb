/** Writes header blocks that no table is needed for: they mean the same on every connection, and can be made once. Source: RFC 7541. Pure. */
import { Buffer } from "node:buffer";
import { STATIC_TABLE } from "./static-table.ts";

declare const encoded: unique symbol;
export type HeaderBlock = Buffer & { readonly [encoded]: true };

/** Stands before the first block on a connection: our blocks need none of the peer's table, whatever size it allows. */
export const NO_TABLE = 0x20;

const WHOLE = 0x80;

/** Literal fields that nobody keeps, but for those that the static table has whole. Values are latin1. */
export function headerBlock(fields: Readonly<Record<string, string>>): HeaderBlock {
  const bytes: number[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const whole = STATIC_TABLE.findIndex((field) => field.name === name && field.value === value) + 1;
    if (whole > 0) {
      integer(bytes, WHOLE, 0x7f, whole);
      continue;
    }
    const named = STATIC_TABLE.findIndex((field) => field.name === name) + 1;
    integer(bytes, 0, 0x0f, named);
    if (named === 0) text(bytes, name);
    text(bytes, value);
  }
  return Buffer.from(bytes) as HeaderBlock;
}

function text(into: number[], value: string): void {
  integer(into, 0, 0x7f, value.length);
  for (let at = 0; at < value.length; at++) into.push(value.charCodeAt(at) & 0xff);
}

function integer(into: number[], flags: number, prefix: number, value: number): void {
  if (value < prefix) {
    into.push(flags | value);
    return;
  }
  into.push(flags | prefix);
  let rest = value - prefix;
  for (; rest >= 128; rest = Math.floor(rest / 128)) into.push((rest & 0x7f) | 0x80);
  into.push(rest);
}
