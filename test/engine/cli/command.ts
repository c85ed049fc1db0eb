/** Runs the real command in a process of its own, with a cache of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { cacheFolders, modelFile } from "../../../cli/cache.ts";
import { sleep, systemClock } from "../../../core/clock.ts";

export const MAIN = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));
export const SETUP = fileURLToPath(new URL("../../../cli/setup.mjs", import.meta.url));

const { NEREID_CACHE } = process.env;

/** The model that `npm test` has put there. */
export const REAL_MODEL = modelFile(
  cacheFolders({ cache: NEREID_CACHE, models: undefined }, process.env, homedir()),
  "smollm2-135m-instruct",
);

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the standard output so far when `text` stands in it; rejects when the command ends before. */
  printed(text: string): Promise<string>;
}

/** `environment` is added to ours. Disposing kills the command. */
export function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}, input = ""): Started {
  const child = spawn(process.execPath, args, { env: { ...process.env, NO_COLOR: "1", ...environment }, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}); // a command that fails at once does not read its input
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const look of waiting) look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
  return {
    child,
    ended,
    printed: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!stdout.includes(text)) return;
          waiting.delete(look);
          resolve(stdout);
        };
        waiting.add(look);
        look();
        ended.then(() => reject(new Error(`ended without printing '${text}':\n${stdout}\n${stderr}`)), reject);
      }),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export const run = (args: readonly string[], environment: Readonly<Record<string, string>> = {}, input = ""): Promise<Ended> =>
  start(args, environment, input).ended;

const NEVER = new AbortController().signal;

/** Those of `ids` that are still there after `limitMs`; nothing tells us when a stranger's process ends, so we look again and again. */
export async function stillThere(ids: readonly number[], limitMs: number): Promise<readonly number[]> {
  const lives = (id: number): boolean => {
    try {
      return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${id}/stat`, "utf8"));
    } catch {
      return false;
    }
  };
  const untilMs = systemClock.now() + limitMs;
  let left = ids.filter(lives);
  while (left.length > 0 && systemClock.now() < untilMs) {
    await sleep(systemClock, 50, NEVER);
    left = left.filter(lives);
  }
  return left;
}
