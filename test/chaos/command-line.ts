/** What `npm run chaos` is asked to do, and what it says of itself. Pure. */
import { parseArgs } from "node:util";
import type { Row } from "./row.ts";

export interface ChaosPlan {
  readonly rows: readonly Row[];
  readonly seed: bigint;
  /** undefined: each row's own number. */
  readonly kills: number | undefined;
  /** Which runs of each row: with what protects, without it. */
  readonly runs: readonly boolean[];
}

const OPTIONS = {
  seed: { type: "string", default: "1" },
  kills: { type: "string" },
  protected: { type: "boolean", default: false },
  unprotected: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** @returns what to do, or a text to print. @throws Error for flags and rows that there are not */
export function readCommandLine(argv: readonly string[], rows: readonly Row[]): ChaosPlan | string {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  if (values.help) return help(rows);
  const asked = positionals.map((text) => rows.filter(({ promise, name }) => text === promise || text === name));
  const unknown = positionals.filter((_, index) => asked[index]?.length === 0);
  if (unknown.length > 0) throw new Error(`there is no row ${unknown.join(", ")}: --help lists them`);
  const chosen = asked.length === 0 ? rows : rows.filter((row) => asked.some((some) => some.includes(row)));
  if (values.kills !== undefined && !/^[1-9]\d{0,4}$/.test(values.kills)) throw new Error("--kills is a number, 1 to 99999");
  const kills = values.kills === undefined ? undefined : Number(values.kills);
  const both = values.protected === values.unprotected;
  return { rows: chosen, seed: BigInt(values.seed), kills, runs: both ? [true, false] : [values.protected] };
}

function help(rows: readonly Row[]): string {
  const line = ({ promise, name, about, protection }: Row) => `  ${promise} ${name}\n      ${about}\n      fails without: ${protection}\n`;
  return `npm run chaos -- [--seed N] [--kills N] [--protected | --unprotected] [ROW ...]

Does to real processes what happens to them, and prints a line for each row: what was seen, the limit, the seed. Then the same once
more without what should protect, which must fail; --protected and --unprotected run one of the two. ROW is a promise or a name;
all rows unless said. --kills N: rows that kill one thing after another do so N times. Ends with 1 when a promise is broken, or kept without its protection.

${rows.map(line).join("")}`;
}
