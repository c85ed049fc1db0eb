/** From `npm start` to the first token, with packages, model and shards in place. */
import { fileURLToPath } from "node:url";
import { deadlineSignal } from "../../core/abort.ts";
import { systemClock } from "../../core/clock.ts";
import type { BenchContext, BenchPart } from "../context.ts";
import { startServer } from "../program.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";
import { chatClient } from "./chat-client.ts";
import { OUR_ADDRESS, startOurServer } from "./servers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LIMIT_MS = 120_000;
const GOAL_S = 5;

const FIRST_TOKEN = "first token s";
const READY = "ready s";

export const START_PART: BenchPart = {
  name: "start",
  help: "from `npm start` to the first token, dependencies and shards in place",
  run: start,
};

async function start(context: BenchContext): Promise<readonly Row[]> {
  context.say("\nnpm start, two nodes, native, packages and shards in place; from the command to the banner, and to a chat's first token");
  const cutting = await startOurServer(context, { nodes: 2, stages: 2, threads: 1, slots: 8 }); // where the shards are not there yet
  await cutting[Symbol.asyncDispose]();
  const collected = await inTurn([{ name: "npm start", measure: () => measure(context) }], context.rounds, context.say);
  const row = (name: string, figures: string): Row => ({
    name,
    unit: "s",
    better: "less",
    ours: figuresOf(collected, "npm start", figures),
    peer: [],
  });
  const rows: readonly Row[] = [
    row("npm start to ready", READY),
    { ...row("npm start to the first token", FIRST_TOKEN), goal: { kind: "figure", most: GOAL_S } },
  ];
  context.say(formatHeader(""));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}

async function measure(context: BenchContext): Promise<ReadonlyMap<string, number>> {
  const beganMs = performance.now();
  const flags = ["start", "--", "--port", "0", "--grpc-port", "0", "--metrics-port", "0"];
  const { program, match } = await startServer("npm", flags, OUR_ADDRESS, { cwd: ROOT, signal: context.signal, limitMs: LIMIT_MS });
  await using _program = program;
  const readyMs = performance.now();
  using client = chatClient(match[1] ?? "", context.model);
  using limit = deadlineSignal(systemClock, LIMIT_MS, context.signal);
  const { firstMs } = await client.chat({ prompt: "What is the capital of Japan?", tokensMax: 1 }, limit.signal);
  return new Map([
    [READY, (readyMs - beganMs) / 1_000],
    [FIRST_TOKEN, (firstMs - beganMs) / 1_000],
  ]);
}
