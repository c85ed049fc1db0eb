/** Tokens that were emitted before are computed again, many in one run: the next token has the bits that it had. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import { socketWire } from "../../../core/wire/socket.ts";
import type { Step, StepResult, StepToken } from "../../../core/wire/step.ts";
import { processRunners } from "../../../node-agent/runners/process.ts";
import { admission, Lead, QUIET } from "./lead.ts";
import { type CutShards, cutShards, goldenPrompts } from "./shards.ts";

const WITH_LOGPROBS = { ...GREEDY, topLogprobs: 5 };
/** Slots of so many positions do not end with a page. */
const CONTEXT_LENGTH = 99;
/** Sequences have even ones; the odd ones are for idle rows. */
const SLOTS = 6;
const EMITTED = 40;
let cut: readonly CutShards[];
beforeAll(async () => {
  cut = [await cutShards("int8", 1), await cutShards("int8", 2)];
});
afterAll(async () => {
  for (const shards of cut ?? []) await shards[Symbol.asyncDispose]();
});

/** Whose attention, with two threads, does not find what earlier rows of its run have written. */
const RACING = { threads: 2, environment: { ...process.env, ORT_GQA_DISABLE_FLASH_ATTENTION: "1" } };

describe.each([
  ["in one stage", 1, { threads: 1 }],
  ["in two stages", 2, { threads: 1 }],
  ["in two stages with threads that race where replays are one run", 2, RACING],
])("%s", (_, stages, { threads, ...options }) => {
  let lead: Lead;
  let promptIds: readonly number[];
  const emitted: StepToken[] = [];
  beforeAll(async () => {
    const folders = cut[stages - 1]?.folders ?? [];
    const factory = processRunners({ logger: QUIET, ...options });
    lead = await Lead.start({ folders, slots: SLOTS, contextLength: CONTEXT_LENGTH, threads }, factory, await socketWire({}));
    promptIds = (await goldenPrompts())[1]?.prompt_ids ?? [];
    await prefill(0);
    while (emitted.length < EMITTED) emitted.push(await next(0, emitted));
  });
  afterAll(async () => {
    await lead?.[Symbol.asyncDispose]();
  });

  function step(parts: Partial<Step>): Promise<StepResult> {
    const broken = lead.broken.promise.then((error) => Promise.reject(error));
    return Promise.race([lead.step(parts), broken]);
  }

  /** The newest prompt's first token goes to `emitted` alone. */
  async function prefill(slot: number): Promise<void> {
    const sample = { row: promptIds.length - 1, position: 0 };
    const run = { kind: "prefill", slot, past: 0, tokens: Int32Array.from(promptIds), sample } as const;
    const { tokens } = await step({ admissions: [admission(slot, promptIds, WITH_LOGPROBS)], run });
    if (emitted.length === 0) emitted.push(...tokens);
  }

  /** Beside an idle row, which some CPUs want. */
  async function next(slot: number, known: readonly StepToken[]): Promise<StepToken> {
    const row = { token: known.at(-1)?.id ?? 0, past: promptIds.length + known.length - 1, position: known.length };
    const idle = { token: 0, past: 0, position: undefined };
    const [token] = (await step({ run: { kind: "decode", firstSlot: slot, rows: [row, idle] } })).tokens;
    if (token === undefined) throw new Error("a decode row was not sampled");
    return { ...token, slot: 0 };
  }

  async function replay(slot: number, known: readonly StepToken[], chunks: readonly number[]): Promise<void> {
    let done = 0;
    for (const count of chunks) {
      const tokens = Int32Array.from(known.slice(done, done + count), ({ id }) => id);
      const result = await step({ run: { kind: "replay", slot, past: promptIds.length + done, tokens } });
      expect([result.tokens, result.stageUs.length]).toEqual([[], stages]);
      done += count;
    }
  }

  test("the next token is what it was, wherever the replay is cut, in any slot", async () => {
    for (const [slot, chunks] of [
      [2, [EMITTED - 2]],
      [SLOTS - 2, [2, 16, EMITTED - 20]],
    ] as const) {
      const known = emitted.slice(0, EMITTED - 1);
      await prefill(slot);
      await replay(slot, known, chunks);
      expect(await next(slot, known)).toEqual(emitted.at(-1));
    }
  });

  test("replays of two sequences may take turns with each other and with runs of others", async () => {
    const known = emitted.slice(0, 21);
    for (const slot of [4, 2]) await prefill(slot);
    for (const slot of [2, 4]) await replay(slot, known, [10]);
    expect(await next(0, emitted.slice(0, EMITTED - 1))).toEqual(emitted.at(-1));
    for (const slot of [4, 2]) {
      const rest = Int32Array.from(known.slice(10, 20), ({ id }) => id);
      await step({ run: { kind: "replay", slot, past: promptIds.length + 10, tokens: rest } });
    }
    for (const slot of [2, 4]) expect(await next(slot, known)).toEqual(emitted[21]);
  });
});
