/** A process that loads gives way, and neither for ever nor once it serves. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mayRise, startLowered } from "../../../../../node-agent/runners/shard/load-priority.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const FILE = new URL("../../../../../node-agent/runners/shard/load-priority.ts", import.meta.url).href;
/** Its load begins and ends when it is told so, with threads of its own meanwhile. */
const PROGRAM = `
  const { lowerPriority } = await import(${JSON.stringify(FILE)});
  const { Worker } = await import("node:worker_threads");
  process.stdout.write("started");
  process.stdin.once("data", () => {
    const lowered = lowerPriority();
    const worker = new Worker("setInterval(() => {}, 1000)", { eval: true });
    worker.once("online", () => {
      lowered[Symbol.dispose]();
      process.stdout.write("loaded");
    });
  });
`;
/** Only who may raise a priority lowers it. */
const LOWERED = mayRise()
  ? { idle: ["SCHED_IDLE 10"], lowered: ["SCHED_OTHER 10"] }
  : { idle: ["SCHED_OTHER 0"], lowered: ["SCHED_OTHER 0"] };

test.skipIf(process.platform !== "linux")(
  "a process that loads gets idle cores alone for two seconds, and then its small share of one",
  async () => {
    const clock = new FakeClock();
    await using started = await start();
    startLowered(started.child.pid, clock);
    expect(mainThreadOf(started.child)).toEqual(LOWERED.idle);
    clock.advance(2_000);
    expect(mainThreadOf(started.child)).toEqual(LOWERED.lowered);
  },
);

test.skipIf(process.platform !== "linux")("every thread of a process that has loaded has the priority of all others", async () => {
  const clock = new FakeClock();
  await using started = await start();
  startLowered(started.child.pid, clock)();
  expect(clock.pending).toBe(0);
  started.child.stdin?.write("load");
  await once(started.child.stdout ?? started.child, "data");
  expect(threadsOf(started.child)).toEqual(["SCHED_OTHER 0"]);
});

async function start() {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** Each policy and niceness once. */
function threadsOf({ pid }: ChildProcess): readonly string[] {
  return [...new Set(readdirSync(`/proc/${pid}/task`).map((thread) => priorityOf(`/proc/${pid}/task/${thread}/stat`)))];
}

const mainThreadOf = ({ pid }: ChildProcess): readonly string[] => [priorityOf(`/proc/${pid}/task/${pid}/stat`)];

/** The fields behind the name in parentheses begin with the third. */
function priorityOf(stat: string): string {
  const fields = readFileSync(stat, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const policy = fields[41 - 3] === "5" ? "SCHED_IDLE" : "SCHED_OTHER";
  return `${policy} ${fields[19 - 3]}`;
}
