/** How long a load takes, and how much memory a load, use and unload leave behind: of the cluster's process and of its runners. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { deadlineSignal } from "../../core/abort.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import type { BenchContext, BenchPart } from "../context.ts";
import { commandLine, familyOf, residentBytes, residentBytesMost } from "../processes.ts";
import { type Program, startProgram } from "../program.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";

const PROGRAM = fileURLToPath(new URL("load-program.ts", import.meta.url));
const SAMPLE_MS = 20;
const LIMIT_MS = 120_000;
const GOAL_LEFT = 1.05;

export const LOAD_PART: BenchPart = {
  name: "load",
  help: "time of a load, and resident memory before, during and after it, after use and after the unload",
  run: load,
};

/** Resident bytes at one moment. */
interface Sample {
  readonly phase: string;
  readonly cluster: number;
  readonly runners: number;
  /** With the partitioners that cut shards meanwhile. */
  readonly everything: number;
}

/** One load, use and unload. */
interface Cycle {
  loadMs: number;
  /** Most bytes that the runners' processes have ever had, together. */
  runnersMost: number;
  readonly samples: Sample[];
}

async function load(context: BenchContext): Promise<readonly Row[]> {
  context.say(
    "\nload and unload: one process with a gateway and two nodes, two runners, native, 8 slots of 8,192 positions; resident memory",
  );
  const shards = await mkdtemp(path.join(tmpdir(), "nereid-bench-shards-"));
  try {
    const { repositoryFolder } = context.folders;
    // The first load cuts the shards; each round's finds them.
    const args = [PROGRAM, repositoryFolder, shards, context.model, String(1 + context.rounds)];
    await using program = startProgram(process.execPath, args);
    using limit = deadlineSignal(systemClock, LIMIT_MS + context.rounds * LIMIT_MS, context.signal);
    const [first, ...cycles] = await watch(program, limit.signal);
    if (first === undefined || cycles.length === 0) throw program.failure("ended before it had loaded twice");
    const rows = [...rowsOf("with cutting", [first]), ...rowsOf("shards there", cycles)];
    context.say(formatHeader(""));
    for (const row of rows) context.say(formatRow(row));
    return rows;
  } finally {
    await rm(shards, { recursive: true, force: true });
  }
}

/** Samples memory until the program is over. @returns a cycle for each load */
async function watch(program: Program, signal: AbortSignal): Promise<readonly Cycle[]> {
  const cycles: Cycle[] = [];
  for (;;) {
    const phases = program.output.split("\n").filter((line) => line.startsWith("phase "));
    const [, phase = "", figure] = phases.at(-1)?.split(" ") ?? [];
    if (phase === "over") return cycles;
    if (phase !== "") {
      const number = phases.filter((line) => line === "phase idle").length;
      if (cycles.length < number) cycles.push({ loadMs: Number.NaN, runnersMost: 0, samples: [] });
      const cycle = cycles.at(-1);
      if (figure !== undefined && cycle !== undefined) cycle.loadMs = Number(figure);
      if (cycle !== undefined) take(cycle, phase, program.pid);
    }
    if (program.over) throw program.failure("ended in the middle of a load");
    await sleep(systemClock, SAMPLE_MS, signal);
  }
}

function take(cycle: Cycle, phase: string, pid: number): void {
  const [, ...others] = familyOf(pid);
  const runners = others.filter(isRunner);
  const sum = (pids: readonly number[], bytes: (pid: number) => number) => pids.reduce((total, one) => total + bytes(one), 0);
  const cluster = residentBytes(pid);
  cycle.runnersMost = Math.max(cycle.runnersMost, sum(runners, residentBytesMost));
  cycle.samples.push({ phase, cluster, runners: sum(runners, residentBytes), everything: cluster + sum(others, residentBytes) });
}

const isRunner = (pid: number): boolean => commandLine(pid)?.some((word) => word.includes("/node-agent/runners/")) === true;

function rowsOf(kind: string, cycles: readonly Cycle[]): readonly Row[] {
  const row = (name: string, unit: string, figure: (cycle: Cycle) => number, most?: number): Row => ({
    name: `${name}, ${kind}`,
    unit,
    better: "less",
    ours: cycles.map(figure),
    peer: [],
    ...(most === undefined ? {} : { goal: { kind: "figure", most } }),
  });
  const at = (phase: string, what: "cluster" | "runners") => (cycle: Cycle) => mebibytes(last(cycle, phase)?.[what]);
  const left = (cycle: Cycle) => (last(cycle, "unloaded")?.cluster ?? Number.NaN) / (last(cycle, "idle")?.cluster ?? Number.NaN);
  return [
    row("load", "s", ({ loadMs }) => loadMs / 1_000),
    row("most of all processes while it loads", "MiB", ({ samples }) => mebibytes(most(samples, "loading"))),
    row("most that the runners ever had", "MiB", ({ runnersMost }) => mebibytes(runnersMost)),
    row("runners after the load", "MiB", at("loaded", "runners")),
    row("runners after 8 chats", "MiB", at("used", "runners")),
    row("cluster process before the load", "MiB", at("idle", "cluster")),
    row("cluster process after 8 chats", "MiB", at("used", "cluster")),
    row("cluster process after the unload", "MiB", at("unloaded", "cluster")),
    row("runners after the unload", "MiB", at("unloaded", "runners")),
    row("after the unload ÷ before the load", "x", left, kind === "shards there" ? GOAL_LEFT : undefined),
  ];
}

const last = ({ samples }: Cycle, phase: string): Sample | undefined => samples.findLast((sample) => sample.phase === phase);

const most = (samples: readonly Sample[], phase: string): number =>
  Math.max(...samples.filter((sample) => sample.phase === phase).map(({ everything }) => everything));

const mebibytes = (bytes: number | undefined): number => (bytes ?? Number.NaN) / 2 ** 20;
