/** Two load generators on the same server in turn, ours and Triton's: what they say of it should agree. */
import type { BenchContext, BenchPart } from "../context.ts";
import { perfAnalyzer } from "../peers/perf-analyzer.ts";
import { runTool } from "../program.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { MODELS, writeModels } from "./repositories.ts";
import { LOAD_CORE, loadOnce, type SmallServer, startOurs, warmUp } from "./servers.ts";

const LIMIT_MS = 60_000;
const LOADS = (["http", "grpc"] as const).flatMap((protocol) =>
  [1, 8].map((concurrency) => ({ protocol, concurrency, model: MODELS.identity, shape: "INPUT0:16" })),
);
type Load = (typeof LOADS)[number];

export const GENERATORS_PART: BenchPart = {
  name: "generators",
  help: "what nereid bench and perf_analyzer measure on the same server",
  run: generators,
};

async function generators(context: BenchContext): Promise<readonly Row[]> {
  const { command, version } = await perfAnalyzer(context.cacheRoot, context.say, context.signal);
  context.say(`\ngenerators: nereid bench beside ${version}, on one server of ours`);
  await using models = await writeModels();
  await using server = await startOurs(context, models.ours);
  for (const load of LOADS) if (load.concurrency === 1) await warmUp(server, load, context.signal);
  const measureAll = (one: (load: Load) => Promise<Measured>) => async () => {
    const figures = new Map<string, number>();
    for (const load of LOADS) {
      const { perSecond, p99Ms } = await one(load);
      figures.set(`${nameOf(load)} req/s`, perSecond);
      figures.set(`${nameOf(load)} p99`, p99Ms);
    }
    return figures;
  };
  const sides = [
    { name: "ours", measure: measureAll((load) => loadOnce(server, load, context.signal)) },
    { name: "theirs", measure: measureAll((load) => analyze(command, server, load, context.signal)) },
  ];
  const collected = await inTurn(sides, context.rounds, context.say);
  const row = (name: string, unit: string, better: Row["better"]): Row => {
    return { name, unit, better, ours: figuresOf(collected, "ours", name), peer: figuresOf(collected, "theirs", name) };
  };
  const rows = LOADS.flatMap((load) => [row(`${nameOf(load)} req/s`, "req/s", "more"), row(`${nameOf(load)} p99`, "ms", "less")]);
  context.say(formatHeader("perf_analyzer"));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}

interface Measured {
  readonly perSecond: number;
  readonly p99Ms: number;
}

const nameOf = ({ protocol, concurrency }: Load): string => `${protocol}, ${concurrency} under way:`;

async function analyze(
  [program, ...first]: readonly [program: string, ...args: readonly string[]],
  server: SmallServer,
  { protocol, concurrency, model, shape }: Load,
  signal: AbortSignal,
): Promise<Measured> {
  const flags = ["-m", model, "-i", protocol, "-u", server[protocol], "--shape", shape, "--concurrency-range", String(concurrency)];
  const windows = ["-p", "1000", "-s", "1000", "--max-trials", "3", "--percentile", "99"];
  const said = await runTool("taskset", ["-c", LOAD_CORE, program, ...first, ...flags, ...windows], { signal, limitMs: LIMIT_MS });
  const [, perSecond, p99Us] = /^Concurrency: \d+, throughput: ([\d.]+) infer\/sec, latency (\d+) usec$/m.exec(said) ?? [];
  return { perSecond: Number(perSecond), p99Ms: Number(p99Us) / 1_000 };
}
