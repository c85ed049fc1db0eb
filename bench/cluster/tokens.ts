/** What the hops between processes cost a token: chats behind a cluster of processes and behind one process, the same engine in both. */
import type { BenchContext, BenchPart } from "../context.ts";
import { type ChatTimes, chatClient } from "../llm/chat-client.ts";
import { chatPrompts } from "../llm/chat-prompts.ts";
import { CONTEXT_LENGTH } from "../llm/our-engine.ts";
import { throughput } from "../llm/token-rate.ts";
import { cpuOfServer } from "../processes.ts";
import { inTurn, type Side } from "../rounds.ts";
import { formatHeader, formatRow, median, type Row } from "../table.ts";
import { type Cluster, idleCpu, startBoth } from "./clusters.ts";
import { addedRow, comparedRow, EMBEDDED } from "./rows.ts";

const CHATS = 8;
const TOKENS = 96;
/** In the first ones of a cluster code is compiled. */
const UNMEASURED = 3;

const SPEED = "all tokens";
const FIRST_TOKEN = "first token, p50";
const CPU = "CPU a token, gateways and agents";
const BEYOND_IDLE = "CPU a token, beyond idle";
const IDLE = "idle CPU, gateways and agents";

export const HOPS_TOKENS_PART: BenchPart = {
  name: "tokens",
  help: `tokens/s and CPU of a token while ${CHATS} chats stream, beside \`nereid up\``,
  run: tokens,
};

async function tokens(context: BenchContext): Promise<readonly Row[]> {
  context.say(
    `\ntokens: ${CHATS} chats of ${TOKENS} tokens over two gateways, three agents, NATS and Redis as processes beside \`nereid up\`, native, 1 stage x 1 thread
  CPU: of gateways and agents, over all tokens; the runner, NATS, Redis and clients are not counted;
  beyond idle: less what they take in that time with nothing asked`,
  );
  await using stack = new AsyncDisposableStack();
  const shape = ["--stages", "1", "--threads", "1", "--slots", String(CHATS), "--context-length", String(CONTEXT_LENGTH)];
  const servingFlags = ["--model", context.model, "--quantization", "native", "--prefix-cache-tokens", "0", ...shape];
  const clusters = await startBoth(context, { model: context.model, folderFlags: [], servingFlags }, stack);
  for (const cluster of clusters) for (let pass = 1; pass <= UNMEASURED; pass++) await chatsOver(context, cluster, -pass);
  const side = (cluster: Cluster): Side => ({ name: cluster.name, measure: (round) => measure(context, cluster, round) });
  const collected = await inTurn(clusters.map(side), context.rounds, context.say);
  const row = (name: string, unit: string, better?: Row["better"]) => comparedRow(collected, name, { unit, better });
  const beyond = row(BEYOND_IDLE, "us");
  const rows: readonly Row[] = [
    row(SPEED, "tok/s", "more"),
    row(FIRST_TOKEN, "ms"),
    row(CPU, "us"),
    row(IDLE, "ms/s"),
    beyond,
    addedRow(beyond, "CPU a token, added by the hops"),
  ];
  context.say(formatHeader(EMBEDDED));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}

async function measure(context: BenchContext, cluster: Cluster, round: number): Promise<ReadonlyMap<string, number>> {
  const idle = await idleCpu(cluster, context.signal);
  const before = { us: cpuOfServer(cluster).front, ms: performance.now() };
  const chats = await chatsOver(context, cluster, round);
  const [us, ms] = [cpuOfServer(cluster).front - before.us, performance.now() - before.ms];
  const made = chats.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  return new Map([
    [SPEED, throughput(chats)],
    [FIRST_TOKEN, median(chats.map(({ sentMs, firstMs }) => firstMs - sentMs))],
    [CPU, us / made],
    [IDLE, idle.front],
    [BEYOND_IDLE, (us - idle.front * ms) / made],
  ]);
}

/** All at once, each gateway its part of them. */
async function chatsOver({ model, signal }: BenchContext, { urls }: Cluster, round: number): Promise<readonly ChatTimes[]> {
  using stack = new DisposableStack();
  const calls = chatPrompts(CHATS, round).map((prompt) => ({ prompt, tokensMax: TOKENS }));
  const parts = urls.map((url, index) =>
    stack.use(chatClient(url, model)).chats(
      calls.filter((_, number) => number % urls.length === index),
      signal,
    ),
  );
  return (await Promise.all(parts)).flat();
}
