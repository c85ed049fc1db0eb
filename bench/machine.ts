/** Where and when figures were measured, and what was measured: the head of a report. */
import { readFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { systemClock } from "../core/clock.ts";
import { VERSION } from "../core/version.ts";
import { runTool } from "./program.ts";

export interface Machine {
  readonly date: string;
  /** Short, with `+` when files differ from it. */
  readonly commit: string;
  readonly nereid: string;
  readonly onnxRuntime: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Of the last minute when the run began: what else is busy here. */
  readonly load: number;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));

export async function describeMachine(signal: AbortSignal): Promise<Machine> {
  const processors = cpus();
  return {
    date: new Date(systemClock.wallClockMs()).toISOString(),
    commit: await commit(signal),
    nereid: VERSION,
    onnxRuntime: await packageVersion("onnxruntime-node"),
    node: process.versions.node,
    cpu: processors[0]?.model.trim() ?? process.arch,
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    load: loadavg()[0] ?? Number.NaN,
  };
}

/** Lines for people. */
export function machineText(machine: Machine): string {
  const { date, commit: at, cpu, cores, memoryGiB, kernel, node, nereid, onnxRuntime, load } = machine;
  return [
    `Nereid ${nereid} at commit ${at}, ONNX Runtime ${onnxRuntime}, Node ${node}`,
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, load ${load.toFixed(1)}, ${date}`,
  ].join("\n");
}

async function commit(signal: AbortSignal): Promise<string> {
  const git = (...args: string[]) => runTool("git", ["-C", ROOT, ...args], { signal, limitMs: 10_000 });
  try {
    const [hash, changes] = [await git("rev-parse", "--short", "HEAD"), await git("status", "--porcelain", "--untracked-files=no")];
    return `${hash.trim()}${changes.trim() === "" ? "" : "+"}`;
  } catch {
    return "unknown"; // no git, or no checkout
  }
}

async function packageVersion(name: string): Promise<string> {
  const value: unknown = JSON.parse(await readFile(new URL(`../node_modules/${name}/package.json`, import.meta.url), "utf8"));
  return typeof value === "object" && value !== null && "version" in value ? String(value.version) : "unknown";
}
