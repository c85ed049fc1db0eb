/** What every adapter of the wire promises; `wire.test.ts` runs it on each. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServingError } from "../../core/errors.ts";
import { modelName, type ReplicaId, replicaId } from "../../core/ids.ts";
import { GREEDY } from "../../core/model/sampling-parameters.ts";
import type { Admission, Step, StepResult } from "../../core/wire/step.ts";
import type { Pipeline } from "../../core/wire/wire.ts";
import { scriptedTokens } from "../support/scripted/scripted-stage.ts";
import type { StageControl, WireWorld } from "./wire-stages.ts";

const NEVER = new AbortController().signal;
const REPLICA = replicaId(modelName("model"), "1", 0);
const SLOTS = 4;
const CONTEXT_LENGTH = 4096;

/** A joined pipeline with its stages, and what its listener heard. */
class Line {
  readonly replica: ReplicaId;
  readonly stages: StageControl[] = [];
  readonly results: StepResult[] = [];
  readonly failures: ServingError[] = [];
  readonly #world: WireWorld;
  #pipeline: Pipeline | undefined;
  #epoch = 0;
  #step = 0;
  #heard = Promise.withResolvers<void>();

  constructor(world: WireWorld, replica: ReplicaId = REPLICA) {
    this.#world = world;
    this.replica = replica;
  }

  async start(stages: number): Promise<this> {
    for (let stage = 0; stage < stages; stage++)
      this.stages.push(await this.#world.stage({ replica: this.replica, slots: SLOTS, contextLength: CONTEXT_LENGTH, stage, stages }));
    await this.join();
    return this;
  }

  /** A new epoch. */
  async join(): Promise<void> {
    this.close();
    const epoch = ++this.#epoch;
    const joining = this.joinOnly(epoch);
    await this.connect(epoch);
    this.#pipeline = await joining;
    this.#step = 0;
  }

  joinOnly(epoch: number, signal = NEVER): Promise<Pipeline> {
    const listener = {
      result: (result: StepResult) => {
        this.results.push(result);
        this.#hear();
      },
      broken: (error: ServingError) => {
        this.failures.push(error);
        this.#hear();
      },
    };
    return this.#world.wire.join({ replica: this.replica, epoch, first: this.stages[0]?.address ?? "" }, listener, signal);
  }

  async connect(epoch: number): Promise<void> {
    const next = (stage: number) => this.stages[stage + 1]?.address ?? this.#world.wire.address;
    await Promise.all(this.stages.map((stage, index) => stage.connect({ epoch, next: next(index) }, NEVER)));
  }

  submit(parts: Partial<Omit<Step, "epoch" | "step">>): void {
    const nothing = { releases: [], copies: [], admissions: [], run: { kind: "none" } } as const;
    this.#pipeline?.submit({ ...nothing, ...parts, epoch: this.#epoch, step: this.#step++ });
  }

  close(): void {
    this.#pipeline?.close();
  }

  async untilResults(count: number): Promise<void> {
    while (this.results.length < count && this.failures.length === 0) await this.#heard.promise;
    expect(this.failures).toEqual([]);
  }

  async untilBroken(): Promise<ServingError> {
    for (;;) {
      const [failure] = this.failures;
      if (failure !== undefined) return failure;
      await this.#heard.promise;
    }
  }

  /** The ids sampled for a slot, in the order of their positions. */
  ids(slot: number): number[] {
    const tokens = this.results.flatMap((result) => result.tokens).filter((token) => token.slot === slot);
    return tokens.sort((a, b) => a.position - b.position).map(({ id }) => id);
  }

  #hear(): void {
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }
}

const prompt = (length: number, salt = 0): number[] => Array.from({ length }, (_, index) => (index * 37 + salt) % 1000);
const admission = (slot: number, choice = 0): Admission => ({
  slot,
  choice,
  sampling: { ...GREEDY, seed: 2n ** 63n + 5n },
  promptIds: new Int32Array(),
  outputIds: new Int32Array(),
});
const oracle = (ids: readonly number[], count: number, choice = 0) => scriptedTokens(ids, count, { seed: 2n ** 63n + 5n, choice });
const prefill = (slot: number, tokens: readonly number[], sample = true, past = 0): Step["run"] => ({
  kind: "prefill",
  slot,
  past,
  tokens: Int32Array.from(tokens),
  sample: sample ? { row: tokens.length - 1, position: 0 } : undefined,
});

export function wireContract(open: () => Promise<WireWorld>): void {
  let world: WireWorld;
  beforeEach(async () => {
    world = await open();
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  for (const stages of [1, 2, 3]) {
    test(`steps are answered in order with what the model gives, over ${stages} stage(s)`, async () => {
      const line = await new Line(world).start(stages);
      const wanted = oracle(prompt(10), 6);
      line.submit({ admissions: [admission(0)], run: prefill(0, prompt(10)) });
      for (let position = 1; position < 6; position++)
        line.submit({ run: { kind: "decode", firstSlot: 0, rows: [{ token: wanted[position - 1] ?? 0, past: 9 + position, position }] } });
      await line.untilResults(6);
      expect(line.ids(0)).toEqual(wanted);
      expect(line.results.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
      for (const { stageUs } of line.results) expect(stageUs).toHaveLength(stages);
    });
  }

  test("chunks, copies, idle rows, releases and empty steps leave every sequence its own text", async () => {
    const line = await new Line(world).start(2);
    const [first, second] = [prompt(20), prompt(12, 500)];
    line.submit({ admissions: [admission(0)], run: prefill(0, first.slice(0, 12), false) });
    line.submit({ run: prefill(0, first.slice(12), true, 12) });
    line.submit({ admissions: [admission(2)], run: prefill(2, second) });
    // Slot 1 takes the first prompt's cache for another choice: its last tokens are computed anew, to be sampled.
    const copied = { from: 0, to: 1, tokens: 18 };
    line.submit({ copies: [copied], admissions: [admission(1, 1)], run: prefill(1, first.slice(18), true, 18) });
    const [a, b, c] = [oracle(first, 3), oracle(first, 3, 1), oracle(second, 3)];
    const row = (tokens: readonly number[], length: number, position: number) => ({
      token: tokens[position - 1] ?? 0,
      past: length + position - 1,
      position,
    });
    line.submit({ run: { kind: "decode", firstSlot: 0, rows: [row(a, 20, 1), row(b, 20, 1), row(c, 12, 1)] } });
    const idle = { token: 0, past: 0, position: undefined };
    line.submit({ releases: [1], run: { kind: "decode", firstSlot: 0, rows: [row(a, 20, 2), idle, row(c, 12, 2)] } });
    line.submit({ releases: [0, 2] });
    await line.untilResults(7);
    expect(line.ids(0)).toEqual(a);
    expect(line.ids(1)).toEqual(b.slice(0, 2));
    expect(line.ids(2)).toEqual(c);
    expect(line.results.at(-1)).toMatchObject({ step: 6, tokens: [] });
  });

  test("long steps pass whole, one after another", async () => {
    const line = await new Line(world).start(3);
    for (const slot of [0, 1, 2, 3]) {
      const long = { ...admission(slot), promptIds: Int32Array.from(prompt(CONTEXT_LENGTH, slot)) };
      line.submit({ admissions: [long], run: prefill(slot, prompt(2000, slot)) });
    }
    await line.untilResults(4);
    for (const slot of [0, 1, 2, 3]) expect(line.ids(slot)).toEqual(oracle(prompt(2000, slot), 1));
  });

  test("parameters and log probabilities arrive as they were sent", async () => {
    const line = await new Line(world).start(2);
    const admitted = { ...admission(3), sampling: { ...GREEDY, seed: 7n, topLogprobs: 2 } };
    line.submit({ admissions: [admitted], run: prefill(3, prompt(4)) });
    await line.untilResults(1);
    const [id] = scriptedTokens(prompt(4), 1, { seed: 7n, choice: 0 });
    const topLogprobs = [
      [id, -0.5],
      [((id ?? 0) + 1) % 1000, -1.5],
    ];
    expect(line.results[0]?.tokens).toEqual([{ slot: 3, position: 0, id, logprob: -0.5, topLogprobs }]);
  });

  for (const victim of [0, 1, 2]) {
    test(`when stage ${victim} of 3 dies the listener hears it once, and nothing after`, async () => {
      const line = await new Line(world).start(3);
      line.submit({ admissions: [admission(0)], run: prefill(0, prompt(5)) });
      await line.untilResults(1);
      line.stages[victim]?.kill();
      expect(await line.untilBroken()).toMatchObject({ code: "UNAVAILABLE" });
      line.submit({ run: prefill(0, prompt(5)) });
      line.close();
      await new Promise((resolve) => setImmediate(resolve));
      expect(line.failures).toHaveLength(1);
      expect(line.results).toHaveLength(1);
    });
  }

  test.each([
    ["a slot that does not exist", { run: prefill(SLOTS, prompt(4)) }, /slot is 4/],
    ["tokens that nobody computed", { run: prefill(0, prompt(4), true, 7) }, /slot 0 holds 0 tokens/],
    ["a lone token's prefill", { run: prefill(0, [1]) }, /prefill of 1 tokens/],
    ["a decode of no rows", { run: { kind: "decode", firstSlot: 0, rows: [] } as const }, /no rows/],
    ["a copy of what is not there", { copies: [{ from: 0, to: 1, tokens: 3 }] }, /slot 0 holds 0 tokens/],
    ["more tokens than a slot takes", { run: prefill(0, prompt(2000), true, CONTEXT_LENGTH - 1) }, /at most 4096/],
  ])("a step with %s breaks the pipeline and says why", async (_, parts, why) => {
    const line = await new Line(world).start(2);
    line.submit({ admissions: [admission(0)], ...parts });
    expect((await line.untilBroken()).message).toMatch(why);
  });

  test("a new epoch begins with empty slots and answers again after a break", async () => {
    const line = await new Line(world).start(2);
    line.submit({ run: prefill(SLOTS, prompt(4)) });
    await line.untilBroken();
    line.failures.length = 0;
    await line.join();
    line.submit({ admissions: [admission(0)], run: prefill(0, prompt(6)) });
    await line.untilResults(1);
    expect(line.ids(0)).toEqual(oracle(prompt(6), 1));
    await line.join();
    line.submit({ admissions: [admission(0)], run: prefill(0, prompt(6), true, 6) });
    expect((await line.untilBroken()).message).toMatch(/slot 0 holds 0 tokens/);
  });

  test("a stage refuses an epoch that is not newer than its own", async () => {
    const line = await new Line(world).start(1);
    await expect(line.connect(1)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
  });

  test("nobody is called after close", async () => {
    const line = await new Line(world).start(2);
    line.submit({ admissions: [admission(0)], run: prefill(0, prompt(5)) });
    line.close();
    const other = await new Line(world, replicaId(modelName("other"), "1", 0)).start(2);
    other.submit({ admissions: [admission(0)], run: prefill(0, prompt(5)) });
    await other.untilResults(1);
    expect([line.results, line.failures]).toEqual([[], []]);
  });

  test("two replicas on one wire do not mix", async () => {
    const lines = [new Line(world), new Line(world, replicaId(modelName("model"), "1", 1))];
    await Promise.all(lines.map((line) => line.start(2)));
    for (const [salt, line] of lines.entries()) line.submit({ admissions: [admission(0)], run: prefill(0, prompt(8, salt)) });
    await Promise.all(lines.map((line) => line.untilResults(1)));
    for (const [salt, line] of lines.entries()) expect(line.ids(0)).toEqual(oracle(prompt(8, salt), 1));
  });

  test("joining works before and after the stages are connected", async () => {
    const line = new Line(world);
    await line.start(2);
    line.close();
    await line.connect(5);
    const pipeline = await line.joinOnly(5);
    pipeline.submit({ epoch: 5, step: 0, releases: [], copies: [], admissions: [admission(1)], run: prefill(1, prompt(3)) });
    await line.untilResults(1);
    expect(line.ids(1)).toEqual(oracle(prompt(3), 1));
  });

  test("joining fails when nobody answers at stage 0", async () => {
    const line = await new Line(world).start(1);
    line.stages[0]?.kill();
    await line.untilBroken();
    await expect(line.joinOnly(2)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("joining ends with the signal's reason while the last stage has not dialed", async () => {
    const line = await new Line(world).start(1);
    const controller = new AbortController();
    const joining = line.joinOnly(2, controller.signal);
    const refused = expect(joining).rejects.toBe("enough");
    setImmediate(() => controller.abort("enough"));
    await refused;
    await expect(line.joinOnly(3, AbortSignal.abort("at once"))).rejects.toBe("at once");
  });
}
