import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GREEDY } from "../../../core/model/sampling-parameters.ts";
import { socketWire } from "../../../core/wire/socket.ts";
import type { Step, StepToken } from "../../../core/wire/step.ts";
import { processRunners } from "../../../node-agent/runners/process.ts";
import { admission, Lead, QUIET } from "./lead.ts";
import { type CutShards, cutShards, type GoldenPrompt, goldenPrompts } from "./shards.ts";

const WITH_LOGPROBS = { ...GREEDY, topLogprobs: 5 };
const CONTEXT_LENGTH = 256;
let golden: readonly GoldenPrompt[];
beforeAll(async () => {
  golden = await goldenPrompts();
});

async function lead(shards: CutShards, listen?: string): Promise<Lead> {
  const at = listen === undefined ? {} : { listen };
  const factory = processRunners({ logger: QUIET, ...at });
  return await Lead.start({ folders: shards.folders, slots: 4, contextLength: CONTEXT_LENGTH }, factory, await socketWire(at));
}

test("two processes together decode what the uncut fp32 model does", async () => {
  await using shards = await cutShards("fp32", 2);
  await using pipeline = await lead(shards);
  for (const { name, prompt_ids, greedy_ids } of golden.slice(0, 3))
    expect(await pipeline.continuation(1, prompt_ids, 20), name).toEqual(greedy_ids.slice(0, 20));
});

describe("on the checkpoint's own blocks", () => {
  let whole: CutShards;
  let halves: CutShards;
  let one: Lead;
  let two: Lead;
  beforeAll(async () => {
    whole = await cutShards("native", 1);
    halves = await cutShards("native", 2);
    one = await lead(whole);
    two = await lead(halves, "tcp:127.0.0.1:0");
  });
  afterAll(async () => {
    for (const used of [one, two, whole, halves]) await used?.[Symbol.asyncDispose]();
  });

  /** Prefills a golden prompt in chunks of such sizes and gives the sampled token with its log probabilities. */
  async function prefilled(on: Lead, slot: number, ids: readonly number[], chunks: readonly number[]): Promise<StepToken | undefined> {
    let past = 0;
    let token: StepToken | undefined;
    for (const size of chunks) {
      const tokens = Int32Array.from(ids.slice(past, past + size));
      const sample = past + size === ids.length ? { row: size - 1, position: 0 } : undefined;
      const admissions = past === 0 ? [admission(slot, ids, WITH_LOGPROBS)] : [];
      const result = await on.step({ admissions, run: { kind: "prefill", slot, past, tokens, sample } });
      expect(result.tokens).toHaveLength(sample === undefined ? 0 : 1);
      token = result.tokens[0];
      past += size;
    }
    return token;
  }

  test("two stages over TCP give the bits of one, in prefill and decode", async () => {
    const ids = golden[1]?.prompt_ids ?? [];
    for (const on of [one, two]) await on.join();
    const tokens = await Promise.all([one, two].map((on) => prefilled(on, 0, ids, [ids.length])));
    expect(tokens[0]).toEqual(tokens[1]);
    let token = tokens[0]?.id ?? 0;
    for (let position = 1; position < 12; position++) {
      const run: Step["run"] = { kind: "decode", firstSlot: 0, rows: [{ token, past: ids.length + position - 1, position }] };
      const [a, b] = await Promise.all([one, two].map((on) => on.step({ run })));
      expect(a?.tokens).toEqual(b?.tokens);
      expect([a?.stageUs.length, b?.stageUs.length]).toEqual([1, 2]);
      token = a?.tokens[0]?.id ?? 0;
    }
  });

  test("a prompt in chunks gives the bits of the whole, in any slot", async () => {
    const ids = golden[1]?.prompt_ids ?? [];
    const want = await prefilled(two, 0, ids, [ids.length]);
    const { slot: _, ...wanted } = want ?? { slot: 0 };
    for (const [slot, chunks] of [
      [1, [2, ids.length - 2]],
      [3, [8, 7, ids.length - 15]],
    ] as const)
      expect(await prefilled(two, slot, ids, chunks)).toEqual({ ...wanted, slot });
  });

  test("sequences that share a run get what each gets alone", async () => {
    const alone: number[][] = [];
    for (const { prompt_ids } of golden.slice(0, 3)) alone.push(await two.continuation(0, prompt_ids, 8));
    await two.join();
    const prompts = golden.slice(0, 3).map(({ prompt_ids }) => prompt_ids);
    const texts: number[][] = [];
    for (const [slot, ids] of prompts.entries()) texts.push([await two.prompt(slot, ids)]);
    for (let position = 1; position < 8; position++) {
      const rows = prompts.map((ids, slot) => ({ token: texts[slot]?.at(-1) ?? 0, past: ids.length + position - 1, position }));
      for (const [slot, token] of (await two.decode(0, rows)).entries()) texts[slot]?.push(token);
    }
    if (two.opened.every(({ decodeRowsMin }) => decodeRowsMin === 1)) expect(texts).toEqual(alone);
    else expect(texts.map(([first]) => first)).toEqual(alone.map(([first]) => first)); // this CPU's lone rows have other bits
  });

  test("a copied slot goes on as its original, which may go; a copy of a part is the prompt's beginning", async () => {
    const ids = golden[1]?.prompt_ids ?? [];
    await two.join();
    const first = await two.prompt(0, ids);
    const wanted = await two.decode(0, [{ token: first, past: ids.length, position: 1 }]);
    const copies = [{ from: 0, to: 2, tokens: ids.length }];
    const run: Step["run"] = { kind: "decode", firstSlot: 2, rows: [{ token: first, past: ids.length, position: 1 }] };
    expect((await two.step({ copies, run })).tokens.map(({ id }) => id)).toEqual(wanted);
    await two.step({ releases: [0] });
    expect((await two.step({ run })).tokens.map(({ id }) => id)).toEqual(wanted);
    const part = [{ from: 2, to: 3, tokens: 4 }];
    const rest: Step["run"] = {
      kind: "prefill",
      slot: 3,
      past: 4,
      tokens: Int32Array.from(ids.slice(4)),
      sample: { row: ids.length - 5, position: 0 },
    };
    const again = await two.step({ copies: part, admissions: [admission(3, ids)], run: rest });
    expect(again.tokens.map(({ id }) => id)).toEqual([first]);
  });

  test("sampled tokens depend on the seed alone, not on the slot", async () => {
    const ids = golden[0]?.prompt_ids ?? [];
    const draw = (slot: number, seed: bigint) => two.prompt(slot, ids, { ...GREEDY, temperature: 1.5, seed });
    const seeds = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n];
    const drawn: number[] = [];
    for (const seed of seeds) drawn.push(await draw(0, seed));
    for (const [index, seed] of seeds.entries()) expect(await draw(2, seed)).toBe(drawn[index]);
    expect(new Set(drawn).size).toBeGreaterThan(2);
  });

  test("a refused step ends the epoch, not the process", async () => {
    await using line = await lead(halves);
    void line.step({ run: { kind: "decode", firstSlot: 0, rows: [] } });
    expect((await line.broken.promise).message).toMatch(/decode of no rows/);
    await line.join();
    expect(await line.prompt(0, golden[0]?.prompt_ids ?? [])).toBe(await two.prompt(0, golden[0]?.prompt_ids ?? []));
  });

  test("released slots give their memory back", async () => {
    await using line = await lead(whole);
    const resident = async () => {
      const status = await readFile(`/proc/${line.runners[0]?.pid}/status`, "utf8");
      return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1] ?? 0);
    };
    const tokens = Int32Array.from({ length: 128 }, (_unused, index) => 100 + index);
    const fill = (past: number, slot: number): Step["run"] => ({ kind: "prefill", slot, past, tokens, sample: undefined });
    for (const slot of [0, 1, 2, 3]) for (const past of [0, 128]) await line.step({ run: fill(past, slot) });
    const full = await resident();
    await line.step({ releases: [0, 1, 2, 3] });
    // 46 kB a token: 30 layers, keys and values of 3 heads of 64 floats.
    expect(full - (await resident())).toBeGreaterThan((4 * CONTEXT_LENGTH * 46 * 8) / 10);
  });
});
