/**
 * What the gateway adds, by running the same work with and without it, in turn. With it: `nereid up` with one stage and one
 * thread, spoken to over HTTP. Without: the same engine with a runner of its own in this process, spoken to by token ids.
 */
import type { Replica } from "../../embedded/replica.ts";
import type { BenchContext, BenchPart } from "../context.ts";
import { cpuMicroseconds } from "../processes.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, median, type Row } from "../table.ts";
import { type ChatClient, chatClient } from "./chat-client.ts";
import { chatPrompts } from "./chat-prompts.ts";
import { CONTEXT_LENGTH, firstTokenMs, generateTogether, startEngine } from "./our-engine.ts";
import { startOurServer } from "./servers.ts";

const STREAMS = 8;
const TOKENS = 96;
const FIRST_TOKENS = 25;
/** Times that the streams run; in the first ones code is compiled, and they are not measured. */
const PASSES = { all: 5, unmeasured: 3 };

const FIRST_TOKEN = "first token ms";
const FIRST_TOKEN_ALONE = "first token at the lead ms";
const ADDED = "added ms";
const CPU = "CPU us a token";
const CPU_ALONE = "engine's CPU us a token";
const CPU_ADDED = "added CPU us a token";

const GOAL_ADDED_MS = 3;
const GOAL_CPU_US = 40;

export const GATEWAY_PART: BenchPart = {
  name: "gateway",
  help: "what the gateway adds to the first token, and its CPU per token while 8 chats stream",
  run: gateway,
};

async function gateway(context: BenchContext): Promise<readonly Row[]> {
  context.say(
    `\nthe gateway: chats over HTTP beside the same engine alone, both native, 1 stage x 1 thread
  first token: ${FIRST_TOKENS} chats a round, one after another, each beside a prompt of as many tokens at the lead; medians, and of their differences
  CPU: of all threads of the serving process while ${STREAMS} chats stream ${TOKENS} tokens each, over all their tokens, runners and clients not counted;
  added: less that of a process with the engine and its wire alone, so what is left is HTTP, tokenizer, text fold, JSON, bus and both ends of the link`,
  );
  const collected = await inTurn([{ name: "ours", measure: (round) => measure(context, round) }], context.rounds, context.say);
  const row = (name: string, unit: string, figures: string, most?: number): Row => ({
    name,
    unit,
    better: "less",
    ours: figuresOf(collected, "ours", figures),
    peer: [],
    ...(most === undefined ? {} : { goal: { kind: "figure", most } }),
  });
  const rows = [
    row("first token over HTTP", "ms", FIRST_TOKEN),
    row("first token at the lead", "ms", FIRST_TOKEN_ALONE),
    row("added to the first token", "ms", ADDED, GOAL_ADDED_MS),
    row(`CPU a token, ${STREAMS} chats: gateway and lead`, "us", CPU),
    row(`CPU a token, ${STREAMS} sequences: lead alone`, "us", CPU_ALONE),
    row("CPU a token: added by the gateway", "us", CPU_ADDED, GOAL_CPU_US),
  ];
  context.say(formatHeader(""));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}

async function measure(context: BenchContext, round: number): Promise<ReadonlyMap<string, number>> {
  const { signal } = context;
  await using server = await startOurServer(context, { nodes: 1, stages: 1, threads: 1, slots: STREAMS, contextLength: CONTEXT_LENGTH });
  await using replica = await startEngine(context, { quantization: "native", stages: 1, threads: 1, slots: STREAMS });
  using client = chatClient(server.url, context.model);
  await client.chats(calls(STREAMS, 16, -1 - round), signal);
  const first = await firstTokens({ client, replica }, round, signal);
  const cpu = await cpuOf(server.pid, async (pass) => {
    const chats = await client.chats(calls(STREAMS, TOKENS, round * PASSES.all + pass), signal);
    return chats.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  });
  const alone = await cpuOf(process.pid, async () => {
    await generateTogether(replica, { sequences: STREAMS, tokens: TOKENS, promptTokens: first.promptTokens }, signal);
    return STREAMS * TOKENS;
  });
  return new Map([
    [FIRST_TOKEN, median(first.overHttp)],
    [FIRST_TOKEN_ALONE, median(first.alone)],
    [ADDED, median(first.overHttp.map((ms, index) => ms - (first.alone[index] ?? Number.NaN)))],
    [CPU, cpu],
    [CPU_ALONE, alone],
    [CPU_ADDED, cpu - alone],
  ]);
}

interface FirstTokens {
  readonly overHttp: readonly number[];
  readonly alone: readonly number[];
  readonly promptTokens: number;
}

/** Of chats and of prompts of as many tokens, by turns. */
async function firstTokens(
  { client, replica }: { readonly client: ChatClient; readonly replica: Replica },
  round: number,
  signal: AbortSignal,
): Promise<FirstTokens> {
  const overHttp: number[] = [];
  const alone: number[] = [];
  let promptTokens = 0;
  for (let number = 1; number <= FIRST_TOKENS; number++) {
    const call = { prompt: `What is ${round * FIRST_TOKENS + number} plus one?`, tokensMax: 1 };
    const chat = await client.chat(call, signal);
    promptTokens = chat.promptTokens;
    overHttp.push(chat.firstMs - chat.sentMs);
    alone.push(await firstTokenMs(replica, promptTokens, signal));
  }
  return { overHttp, alone, promptTokens };
}

/** Microseconds on a core for each of the tokens that `act` says it made, in all its passes but the unmeasured. */
async function cpuOf(pid: number, act: (pass: number) => Promise<number>): Promise<number> {
  for (let pass = 0; pass < PASSES.unmeasured; pass++) await act(pass);
  const before = cpuMicroseconds(pid);
  let tokens = 0;
  for (let pass = PASSES.unmeasured; pass < PASSES.all; pass++) tokens += await act(pass);
  return (cpuMicroseconds(pid) - before) / tokens;
}

const calls = (count: number, tokensMax: number, round: number) => chatPrompts(count, round).map((prompt) => ({ prompt, tokensMax }));
