/** How many submits a second get from one process to another: over NATS, and over the link that takes them when NATS is away. */
import { fileURLToPath } from "node:url";
import type { BenchContext, BenchPart } from "../context.ts";
import { runTool, startServer } from "../program.ts";
import { figuresOf, inTurn, type Side } from "../rounds.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { startNats } from "./backing-servers.ts";

const UNDER_WAY = [1, 32, 128] as const;
const WAYS = ["bus", "link"] as const;
const PROGRAM = fileURLToPath(new URL("submit-program.ts", import.meta.url));
const START_LIMIT_MS = 10_000;
/** Of one measurement; a submit that was lost ends here, too. */
const LIMIT_MS = 60_000;

export const SUBMITS_PART: BenchPart = {
  name: "submits",
  help: `submits/s through NATS, acknowledged over the link, ${UNDER_WAY.join(", ")} under way, beside the link alone`,
  run: submits,
};

async function submits(context: BenchContext): Promise<readonly Row[]> {
  context.say(
    `\nsubmits: published on NATS, taken by a subscriber, acknowledged over the link; beside those that go over the link, too
  both ends and NATS are processes of their own, on any cores; CPU: of all three`,
  );
  const { signal } = context;
  await using nats = await startNats(context);
  const options = { signal, limitMs: START_LIMIT_MS };
  const { program, match } = await startServer(process.execPath, [PROGRAM, "desk", nats.url], /listening on (\S+)/, options);
  await using desk = program;
  const side = (way: (typeof WAYS)[number]): Side => ({
    name: way,
    async measure() {
      const figures = new Map<string, number>();
      for (const underWay of UNDER_WAY) {
        const args = [PROGRAM, "sender", nats.url, match[1] ?? "", way, String(underWay), [desk.pid, ...nats.pids].join(",")];
        const said: Figures = JSON.parse(await runTool(process.execPath, args, { signal, limitMs: LIMIT_MS }));
        figures.set(speedName(underWay), said.perSecond).set(cpuName(underWay), said.us);
      }
      return figures;
    },
  });
  const collected = await inTurn(WAYS.map(side), context.rounds, context.say);
  const row = (name: string, unit: string, better: Row["better"]): Row => ({
    name,
    unit,
    better,
    ours: figuresOf(collected, "bus", name),
    peer: figuresOf(collected, "link", name),
  });
  const rows = UNDER_WAY.flatMap((underWay) => [row(speedName(underWay), "/s", "more"), row(cpuName(underWay), "us", "less")]);
  context.say(formatHeader("link"));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}

/** What the sender prints. */
interface Figures {
  readonly perSecond: number;
  /** Microseconds on a core for each submit. */
  readonly us: number;
}

const speedName = (underWay: number): string => `${underWay} under way: submits`;
const cpuName = (underWay: number): string => `${underWay} under way: CPU of a submit`;
