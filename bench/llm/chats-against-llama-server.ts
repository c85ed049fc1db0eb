/** Concurrent chats through the whole server against llama-server: the same file, prompts, lengths and threads, greedy. */
import type { BenchContext, BenchPart } from "../context.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, median, type Row } from "../table.ts";
import { chatClient } from "./chat-client.ts";
import { chatPrompts } from "./chat-prompts.ts";
import { type ChatServer, startOurServer, startTheirServer } from "./servers.ts";
import { throughput } from "./token-rate.ts";

const CHATS = 8;
const TOKENS = 96;
const WARM_UP = { chats: 2, tokens: 16 };
/** Measurements in a round, of which the median counts. */
const PASSES = 2;
/** All stages together. */
const THREADS = 2;

const SPEED = "tokens/s";
const FIRST_TOKEN = "first token ms";
const TWO_STAGES = "2 stages x 1 thread";
const ONE_STAGE = `1 stage x ${THREADS} threads`;
const PEER = "llama-server";

/** Neither stands in the goals of the bare engine: level with the peer is the least. */
const GOAL = { kind: "ratio", least: 1 } as const;

export const SERVER_PART: BenchPart = {
  name: "server",
  help: `${CHATS} concurrent chats through the whole server ÷ llama-server on ${THREADS} threads: tokens/s and time to first token`,
  run: server,
};

async function server(context: BenchContext): Promise<readonly Row[]> {
  context.say(`\n${CHATS} concurrent chats of ${TOKENS} tokens ÷ llama-server -np ${CHATS} -t ${THREADS}, native, the same file`);
  const ours = (name: string, shape: { readonly nodes: number; readonly stages: number; readonly threads: number }) => ({
    name,
    measure: (round: number) => measure(context, round, () => startOurServer(context, { ...shape, slots: CHATS })),
  });
  const sides = [
    ours(TWO_STAGES, { nodes: 2, stages: 2, threads: THREADS / 2 }),
    {
      name: PEER,
      measure: (round: number) => measure(context, round, () => startTheirServer(context, { threads: THREADS, slots: CHATS })),
    },
    ours(ONE_STAGE, { nodes: 1, stages: 1, threads: THREADS }),
  ];
  const collected = await inTurn(sides, context.rounds, context.say);
  const row = (side: string, what: string): Row => ({
    name: `${CHATS} chats, ${side}: ${what === SPEED ? "all tokens" : "first token, p50"}`,
    unit: what === SPEED ? "tok/s" : "ms",
    better: what === SPEED ? "more" : "less",
    ours: figuresOf(collected, side, what),
    peer: figuresOf(collected, PEER, what),
    goal: GOAL,
  });
  const rows = [TWO_STAGES, ONE_STAGE].flatMap((side) => [row(side, SPEED), row(side, FIRST_TOKEN)]);
  context.say(formatHeader(PEER));
  for (const one of rows) context.say(formatRow(one));
  return rows;
}

async function measure(context: BenchContext, round: number, start: () => Promise<ChatServer>): Promise<ReadonlyMap<string, number>> {
  await using running = await start();
  using client = chatClient(running.url, context.model);
  const speeds: number[] = [];
  const firsts: number[] = [];
  const ask = (count: number, tokensMax: number, batch: number) =>
    client.chats(
      chatPrompts(count, batch).map((prompt) => ({ prompt, tokensMax })),
      context.signal,
    );
  await ask(WARM_UP.chats, WARM_UP.tokens, -1 - round);
  for (let pass = 0; pass < PASSES; pass++) {
    const chats = await ask(CHATS, TOKENS, round * PASSES + pass);
    speeds.push(throughput(chats));
    firsts.push(median(chats.map(({ sentMs, firstMs }) => firstMs - sentMs)));
  }
  return new Map([
    [SPEED, median(speeds)],
    [FIRST_TOKEN, median(firsts)],
  ]);
}
