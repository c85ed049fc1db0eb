/** What a generation engine promises to those who submit and to those who bring its results. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { generationId } from "../../../../core/ids.ts";
import type { ChoiceToken, GenerationSubmit } from "../../../../core/messages/generation.ts";
import { GREEDY } from "../../../../core/model/sampling-parameters.ts";
import type { StepResult } from "../../../../core/wire/step.ts";
import type { EngineOptions } from "../../../../node-agent/engines/engine-options.ts";
import { GenerationEngine } from "../../../../node-agent/engines/generation-engine.ts";
import type { GenerationSink } from "../../../../node-agent/engines/generation-sink.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { expectedTokens } from "../generation/stage-model.ts";
import { ModelPipeline } from "./model-pipeline.ts";

const VOCAB_SIZE = 30;

function submitOf(changes: Partial<GenerationSubmit> = {}): GenerationSubmit {
  return {
    kind: "generate",
    generation: generationId("g"),
    replica: "tiny/1/0",
    tenant: "public",
    remainingMs: undefined,
    traceparent: "",
    promptIds: Int32Array.of(3, 1, 4, 1, 5),
    choices: 1,
    tokensMax: 6,
    stopIds: [],
    sampling: GREEDY,
    begun: [],
    ...changes,
  };
}

/** With penalties, so that ids that are there already count. */
const SAMPLED = submitOf({ sampling: { ...GREEDY, frequencyPenalty: 0.5 } });
const GONE = new ServingError("UNAVAILABLE", "a shard of model tiny was lost while generating; try again");
const never = () => new AbortController().signal; // its listeners go with it

class Reader implements GenerationSink {
  readonly ids: number[] = [];
  readonly events: string[] = [];
  error: ServingError | undefined;

  tokens(tokens: readonly ChoiceToken[]): void {
    for (const token of tokens) this.ids.push(token.id);
    this.events.push(...tokens.map((token) => `token ${token.choice}.${token.position}`));
  }
  finished(choice: number, reason: string): void {
    this.events.push(`finished ${choice} ${reason}`);
  }
  failed(error: ServingError): void {
    this.events.push(`failed ${error.code}`);
    this.error = error;
  }
}

function open(changes: Partial<EngineOptions> & { readonly stageUs?: number } = {}) {
  const { stageUs = 1_000, ...rest } = changes;
  const clock = new FakeClock();
  const stuck: ServingError[] = [];
  const options = { model: "tiny", stages: 1, slots: 2, contextLength: 32, vocabSize: VOCAB_SIZE, decodeRowsMin: 1, queueMax: 2, ...rest };
  const engine = new GenerationEngine(options, { clock, onStuck: (why) => stuck.push(why) });
  const attach = (epoch: number, how?: { readonly sameRunners: boolean }): ModelPipeline => {
    const pipeline = new ModelPipeline({ ...options, stageUs, onResult: engine.onResult });
    engine.attach(pipeline, epoch, how);
    return pipeline;
  };
  return { engine, clock, stuck, attach, pipeline: attach(1) };
}

/** The output position that the newest step samples; -1: none. */
function sampledPosition({ steps }: ModelPipeline): number {
  const run = steps.at(-1)?.run;
  return run?.kind === "decode" ? Math.max(...run.rows.map(({ position = -1 }) => position)) : -1;
}

const expected = (submit: GenerationSubmit, choice = 0): number[] =>
  expectedTokens(submit.promptIds, submit.tokensMax, { seed: submit.sampling.seed, choice, vocabSize: VOCAB_SIZE });

function refusal(act: () => unknown): ServingError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof ServingError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

describe("a generation", () => {
  test("brings its tokens in order, then its end, and nothing before submit has returned", () => {
    const { engine, pipeline } = open();
    const reader = new Reader();
    const submit = submitOf();
    engine.submit(submit, reader);
    expect(reader.events).toEqual([]);
    pipeline.deliver();
    expect(reader.ids).toEqual(expected(submit));
    expect(reader.events.slice(-2)).toEqual(["token 0.5", "finished 0 length"]);
    expect(engine.load()).toEqual({ slots: 2, busySlots: 0, queued: 0 });
    expect(pipeline.heldTokens).toBe(0);
  });

  test("has the stop id as its last token", () => {
    const { engine, pipeline } = open();
    const reader = new Reader();
    const submit = submitOf();
    const stopId = expected(submit)[2] ?? 0;
    engine.submit(submitOf({ stopIds: [stopId] }), reader);
    pipeline.deliver();
    expect(reader.ids.at(-1)).toBe(stopId);
    expect(reader.events.at(-1)).toBe("finished 0 stop");
  });

  test("is not heard of any more once it is canceled, not even when its own reader cancels it between two events", () => {
    const { engine, pipeline } = open();
    const reader = new Reader();
    const handle = engine.submit(submitOf({ tokensMax: 1 }), {
      tokens: (tokens) => {
        reader.tokens(tokens);
        handle.cancel();
      },
      finished: (choice, reason) => reader.finished(choice, reason),
      failed: (error) => reader.failed(error),
    });
    pipeline.deliver();
    handle.cancel();
    handle.pause();
    expect(reader.events).toEqual(["token 0.0"]);
    expect(engine.load().busySlots).toBe(0);
    expect(pipeline.heldTokens).toBe(0);
  });

  test("goes on without a choice that is canceled", () => {
    const { engine, pipeline } = open();
    const reader = new Reader();
    const handle = engine.submit(submitOf({ choices: 2 }), reader);
    pipeline.deliver(1);
    handle.cancelChoice(0);
    handle.cancelChoice(0);
    pipeline.deliver();
    expect(reader.ids.slice(1)).toEqual(expected(submitOf(), 1));
    expect(reader.events.at(-1)).toBe("finished 1 length");
  });

  test("computes nothing while it is paused", () => {
    const { engine, pipeline } = open();
    const reader = new Reader();
    const handle = engine.submit(submitOf(), reader);
    pipeline.deliver(2);
    handle.pause();
    pipeline.deliver();
    expect(reader.ids.length).toBe(3);
    handle.resume();
    pipeline.deliver();
    expect(reader.ids).toEqual(expected(submitOf()));
  });

  test("fails when its deadline comes, with one timer for all deadlines", () => {
    const { engine, pipeline, clock } = open({ queueMax: 10 });
    const readers = [500, 300, 400].map((remainingMs) => {
      const reader = new Reader();
      engine.submit(submitOf({ remainingMs }), reader);
      return reader;
    });
    expect(clock.pending).toBe(2); // deadlines, watchdog
    clock.advance(300);
    expect(readers.map((reader) => reader.error?.code)).toEqual([undefined, "DEADLINE_EXCEEDED", undefined]);
    clock.advance(200);
    expect(readers.map((reader) => reader.error?.code)).toEqual(Array(3).fill("DEADLINE_EXCEEDED"));
    pipeline.deliver();
    expect(engine.load().busySlots).toBe(0);
    expect(readers.flatMap((reader) => reader.ids)).toEqual([]);
  });
});

describe("a submit is refused", () => {
  test.each([
    ["an empty prompt", { promptIds: new Int32Array(0) }, "prompt", undefined],
    ["a prompt that fills the context", { promptIds: new Int32Array(32) }, "prompt", "context_length_exceeded"],
    ["a token that is not in the vocabulary", { promptIds: Int32Array.of(1, VOCAB_SIZE) }, "prompt", undefined],
    ["a negative token", { promptIds: Int32Array.of(-1) }, "prompt", undefined],
    ["a stop token that is not in the vocabulary", { stopIds: [VOCAB_SIZE] }, "stop_token_ids", undefined],
    ["a bias for a token that is not there", { sampling: { ...GREEDY, logitBias: [[99, 1]] as const } }, "logit_bias", undefined],
    ["no choices", { choices: 0 }, "n", undefined],
    ["more choices than slots", { choices: 3 }, "n", undefined],
    ["no tokens", { tokensMax: 0 }, "max_tokens", undefined],
  ])("with %s", (_what, changes, param, reason) => {
    const { engine, pipeline } = open();
    expect(refusal(() => engine.submit(submitOf(changes), new Reader()))).toMatchObject({ code: "INVALID_ARGUMENT", param, reason });
    expect(pipeline.steps).toEqual([]);
  });

  test("when slots and queue are full, until something ends", () => {
    const { engine, pipeline } = open();
    for (let count = 0; count < 4; count++) engine.submit(submitOf(), new Reader());
    expect(refusal(() => engine.submit(submitOf(), new Reader()))).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "queue_full" });
    pipeline.deliver();
    engine.submit(submitOf(), new Reader());
  });

  test("when there are no stages", () => {
    const { engine } = open();
    engine.broken(new ServingError("UNAVAILABLE", "gone"));
    expect(refusal(() => engine.submit(submitOf(), new Reader())).code).toBe("UNAVAILABLE");
  });

  test("an engine with fewer slots than a decode run needs is refused at once", () => {
    expect(refusal(() => open({ slots: 1, decodeRowsMin: 2 })).message).toContain("raise 'slots'");
  });
});

describe("when stages are lost", () => {
  test("all that runs or waits fails with the reason, and the next epoch starts empty", () => {
    const { engine, pipeline, attach } = open();
    const readers = [1, 2, 3].map(() => new Reader());
    for (const reader of readers) engine.submit(submitOf(), reader);
    pipeline.deliver(3);
    engine.broken(new ServingError("UNAVAILABLE", "a shard of model tiny was lost while generating; try again"));
    expect(readers.map((reader) => reader.error?.message)).toEqual(
      Array(3).fill("a shard of model tiny was lost while generating; try again"),
    );
    expect(pipeline.closed).toBe(true);
    expect(engine.load()).toEqual({ slots: 2, busySlots: 0, queued: 0 });
    const second = attach(2);
    const reader = new Reader();
    engine.submit(submitOf(), reader);
    pipeline.deliver(); // late results of the epoch that is over
    second.deliver();
    expect(reader.ids).toEqual(expected(submitOf()));
    expect(readers.every((lost) => lost.events.at(-1) === "failed UNAVAILABLE")).toBe(true);
  });

  test.each([
    ["die", true],
    ["are connected anew", false],
  ])("what runs or waits goes on with the next ones when they %s, each token once", (_, died) => {
    const { engine, pipeline, attach } = open();
    const readers = [1, 2, 3].map(() => new Reader());
    for (const reader of readers) engine.submit(SAMPLED, reader);
    pipeline.deliver(5);
    if (died) engine.lost(GONE, { died });
    const second = attach(2);
    expect(pipeline.closed).toBe(true);
    engine.canary(never()).catch(() => {});
    pipeline.deliver(); // late results of the epoch that is over
    second.deliver();
    for (const { ids, events } of readers) expect([ids, events.at(-1)]).toEqual([expected(SAMPLED), "finished 0 length"]);
    expect(second.heldTokens).toBe(0);
  });

  test("it can be canceled, paused and overtaken by its deadline meanwhile", () => {
    const { engine, pipeline, attach, clock } = open({ slots: 4 });
    const readers = [1, 2, 3].map(() => new Reader());
    const [canceled, paused] = readers.map((reader, index) =>
      engine.submit(index === 2 ? { ...SAMPLED, remainingMs: 900 } : SAMPLED, reader),
    );
    pipeline.deliver(4);
    engine.lost(GONE, { died: true });
    canceled?.cancel();
    paused?.pause();
    clock.advance(900);
    expect(readers[2]?.error?.code).toBe("DEADLINE_EXCEEDED");
    const second = attach(2);
    engine.canary(never()).catch(() => {});
    second.deliver();
    expect(readers[1]?.ids.length).toBeLessThan(6);
    paused?.resume();
    second.deliver();
    expect(readers[1]?.ids).toEqual(expected(SAMPLED));
    expect(readers[0]?.ids.length).toBeLessThan(6);
  });

  test("what another replica can go on with fails at once", () => {
    const { engine, pipeline } = open();
    const [stays, moves] = [new Reader(), new Reader()];
    engine.submit(submitOf(), stays);
    engine.submit({ ...submitOf(), movable: true }, moves);
    pipeline.deliver(2);
    engine.lost(GONE, { died: true });
    expect([stays.error, moves.error]).toEqual([undefined, GONE]);
  });

  test("it fails with the reason when they are not back after 20 s", () => {
    const { engine, pipeline, clock } = open();
    const reader = new Reader();
    engine.submit(submitOf(), reader);
    pipeline.deliver(2);
    engine.lost(GONE, { died: true });
    clock.advance(19_999);
    expect(reader.error).toBeUndefined();
    clock.advance(1);
    expect(reader.error).toBe(GONE);
    expect(clock.pending).toBe(0);
  });

  test("a canary comes before what waits, and fails with its stages", async () => {
    const { engine, attach } = open();
    for (let count = 0; count < 4; count++) engine.submit(submitOf(), new Reader());
    const second = attach(2);
    const canary = engine.canary(never());
    expect(second.steps[0]?.run).toMatchObject({ kind: "prefill", tokens: Int32Array.of(0, 0) });
    engine.lost(GONE, { died: true });
    await expect(canary).rejects.toBe(GONE);
  });

  test.each([
    ["die three times at the same token is refused", 0, false],
    ["die three times at different tokens goes on", 1, false],
    ["are lost three times at the same token, and are the old ones, goes on", 0, true],
  ])("a generation on which they %s", (_, further, sameRunners) => {
    const { engine, pipeline, attach } = open();
    const reader = new Reader();
    engine.submit(SAMPLED, reader);
    pipeline.deliver(3);
    const place = sampledPosition(pipeline) + further;
    engine.lost(GONE, { died: true });
    for (const epoch of [2, 3]) {
      const next = attach(epoch, { sameRunners });
      engine.canary(never()).catch(() => {});
      while (sampledPosition(next) < place || next.pending > 1) next.deliver(1); // what was replayed is back
      engine.lost(GONE, { died: true });
    }
    const last = attach(4);
    engine.canary(never()).catch(() => {});
    last.deliver();
    if (further === 0 && !sameRunners) expect(reader.error).toMatchObject({ code: "INTERNAL", reason: "poison_request" });
    else expect(reader.ids).toEqual(expected(SAMPLED));
  });

  test("no timer stays behind", () => {
    const { engine, clock } = open();
    engine.submit(submitOf({ remainingMs: 1_000 }), new Reader());
    engine.broken(new ServingError("UNAVAILABLE", "gone"));
    expect(clock.pending).toBe(0);
  });

  test("a result that no step asked for asks for new stages", () => {
    const { engine, pipeline, stuck } = open();
    const reader = new Reader();
    engine.submit(submitOf(), reader);
    const nonsense: StepResult = { epoch: 1, step: 5, tokens: [], stageUs: [] };
    engine.onResult(nonsense);
    expect(reader.events).toEqual([]);
    expect(stuck.length).toBe(1);
    expect(pipeline.closed).toBe(true);
  });
});

describe("the watchdog", () => {
  test("calls a step stuck after 10 s without a result, and what runs waits for other stages", () => {
    const { engine, clock, stuck } = open();
    const reader = new Reader();
    engine.submit(submitOf(), reader);
    clock.advance(9_999);
    expect(stuck).toEqual([]);
    clock.advance(1);
    expect(stuck.length).toBe(1);
    expect(reader.events).toEqual([]);
    expect(engine.load()).toMatchObject({ busySlots: 0, queued: 1 });
  });

  test("gives steps that take long by nature ten times as long", () => {
    const { engine, pipeline, clock, stuck } = open({ stageUs: 3_000_000 });
    engine.submit(submitOf(), new Reader());
    pipeline.deliver(3);
    clock.advance(29_000);
    expect(stuck).toEqual([]);
    clock.advance(1_000);
    expect(stuck.length).toBe(1);
  });

  test.each([1, 2])("is content while results keep coming, with %i steps under way, and when nothing runs", (stages) => {
    const { engine, pipeline, clock, stuck } = open({ stages });
    for (let count = 0; count < 2; count++) engine.submit(submitOf(), new Reader());
    for (let count = 0; count < 16; count++) {
      clock.advance(6_000);
      pipeline.deliver(1);
    }
    clock.advance(60_000);
    expect(stuck).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe("the canary", () => {
  const signal = new AbortController().signal;

  test("comes back after a prefill and a decode run, even when the queue is full", async () => {
    const { engine, pipeline } = open({ queueMax: 0 });
    for (let count = 0; count < 2; count++) engine.submit(submitOf(), new Reader());
    const canary = engine.canary(signal);
    pipeline.deliver();
    await canary;
    expect(pipeline.steps.filter((step) => step.run.kind === "prefill").length).toBe(3);
    expect(engine.load().busySlots).toBe(0);
  });

  test("fails when the stages are lost, and when there are none", async () => {
    const { engine } = open();
    const canary = engine.canary(signal);
    engine.broken(new ServingError("UNAVAILABLE", "gone"));
    await expect(canary).rejects.toThrow("gone");
    await expect(engine.canary(signal)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("is taken back when its signal aborts", async () => {
    const { engine, pipeline } = open();
    const abort = new AbortController();
    const canary = engine.canary(abort.signal);
    abort.abort(new Error("no longer wanted"));
    await expect(canary).rejects.toThrow("no longer wanted");
    pipeline.deliver();
    expect(engine.load().busySlots).toBe(0);
    await expect(engine.canary(abort.signal)).rejects.toThrow("no longer wanted");
  });
});

test("counters tell what was done", () => {
  const { engine, pipeline } = open();
  engine.submit(submitOf(), new Reader());
  pipeline.deliver();
  expect(engine.counters).toMatchObject({
    steps: 7,
    prefillRuns: 1,
    decodeRuns: 5,
    tokensPrefilled: 5,
    tokensDecoded: 5,
    tokensEmitted: 6,
    rowsIdle: 0,
  });
});
