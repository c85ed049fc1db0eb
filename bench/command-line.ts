/** What the benchmark is asked for: suite, parts, rounds. Pure. */
import { ServingError } from "../core/errors.ts";
import { flagOf, listOf, optional, readSettings, setting, text, wholeNumber } from "../core/settings.ts";

const BENCH_SETTINGS = {
  rounds: setting({ kind: wholeNumber(1, 100), fallback: 5, help: "how often each side is measured, in turn" }),
  threads: setting<readonly number[]>({
    kind: listOf(wholeNumber(1, 256)),
    fallback: [1, 2],
    fallbackText: "1,2",
    help: "thread counts of the comparison with llama.cpp",
  }),
  json: setting({
    kind: optional(text("a file")),
    fallback: undefined,
    fallbackText: "none",
    help: "write all figures to this file; a bare name lies in bench/results/",
  }),
};

interface NamedPart {
  readonly name: string;
  readonly help: string;
}

/** Parts by the suite that they belong to. */
export type Suites<Part extends NamedPart> = Readonly<Record<string, readonly Part[]>>;

export type BenchCall<Part extends NamedPart> =
  | { readonly kind: "help" }
  | {
      readonly kind: "run";
      readonly suite: string;
      /** In the suite's order; all when none was named. */
      readonly parts: readonly Part[];
      readonly rounds: number;
      readonly threads: readonly number[];
      readonly json: string | undefined;
    };

/** Flags only, no environment: what was measured stands in the command. @throws ServingError INVALID_ARGUMENT with what is allowed. */
export function parseBenchCall<Part extends NamedPart>(args: readonly string[], suites: Suites<Part>): BenchCall<Part> {
  if (args.includes("--help") || args.includes("-h") || args.length === 0) return { kind: "help" };
  const { words, flags } = splitFlags(args);
  const { rounds, threads, json } = readSettings(BENCH_SETTINGS, { flags, environment: {} });
  const [suite = "", ...names] = words;
  const known = Object.hasOwn(suites, suite) ? suites[suite] : undefined;
  if (known === undefined) throw unknown("suite", suite, Object.keys(suites));
  for (const name of names) if (!known.some((part) => part.name === name)) throw unknown("part", name, known.map(partName));
  const parts = known.filter(({ name }) => names.length === 0 || names.includes(name));
  return { kind: "run", suite, parts, rounds, threads, json };
}

export function helpText(suites: Suites<NamedPart>): string {
  const lines = ["npm run bench -- SUITE [PART …] [--rounds N] [--threads LIST] [--json FILE]", ""];
  for (const [suite, parts] of Object.entries(suites)) {
    lines.push(`parts of ${suite}, all of them unless some are named:`);
    for (const { name, help } of parts) lines.push(`  ${name.padEnd(10)} ${help}`);
    lines.push("");
  }
  for (const [name, { kind, fallback, help, ...row }] of Object.entries(BENCH_SETTINGS)) {
    const standard = "fallbackText" in row ? row.fallbackText : String(fallback);
    lines.push(`  ${flagOf(name).padEnd(10)} ${help} (${kind.allowed}; default ${standard})`);
  }
  return `${lines.join("\n")}\n`;
}

/** `--flag value` and `--flag=value` apart from the bare words. */
function splitFlags(args: readonly string[]): { readonly words: readonly string[]; readonly flags: readonly string[] } {
  const words: string[] = [];
  const flags: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (!arg.startsWith("--")) words.push(arg);
    else {
      flags.push(arg);
      const value = args[index + 1];
      if (!arg.includes("=") && value !== undefined) {
        flags.push(value);
        index += 1;
      }
    }
  }
  return { words, flags };
}

const partName = (part: NamedPart): string => part.name;

const unknown = (what: string, name: string, known: readonly string[]): ServingError =>
  new ServingError("INVALID_ARGUMENT", `there is no ${what} ${JSON.stringify(name.slice(0, 100))}; there are: ${known.join(", ")}`);
