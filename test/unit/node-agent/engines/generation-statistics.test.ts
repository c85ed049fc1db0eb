/** Generations are counted as Triton counts requests. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { generationId } from "../../../../core/ids.ts";
import type { GenerationSubmit } from "../../../../core/messages/generation.ts";
import { GREEDY } from "../../../../core/model/sampling-parameters.ts";
import type { GenerationHandle, GenerationSink } from "../../../../node-agent/engines/generation-sink.ts";
import { GenerationStatistics } from "../../../../node-agent/engines/generation-statistics.ts";
import { createTiming } from "../../../../node-agent/generation/generation-timing.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const nothing = () => {};
const SINK: GenerationSink = { tokens: nothing, finished: nothing, failed: nothing };
const HANDLE: GenerationHandle = { cancel: nothing, cancelChoice: nothing, pause: nothing, resume: nothing, park: nothing };
const submit = (choices: number): GenerationSubmit => ({
  kind: "generate",
  generation: generationId("g"),
  replica: "m/1/1",
  tenant: "t",
  remainingMs: undefined,
  traceparent: "",
  promptIds: Int32Array.of(1),
  choices,
  tokensMax: 4,
  stopIds: [],
  sampling: GREEDY,
  begun: [],
});

function begin(choices: number) {
  const clock = new FakeClock();
  const statistics = new GenerationStatistics(clock);
  const timing = createTiming();
  const counted = statistics.count(submit(choices), timing, SINK);
  return { clock, statistics, timing, counted, handle: counted.handle(HANDLE) };
}

describe("a generation", () => {
  test("is a success when its last choice ends, by itself or by a stop string, and never after", () => {
    const { clock, statistics, timing, counted, handle } = begin(2);
    clock.advance(10);
    timing.admittedMs = clock.now();
    clock.advance(30);
    counted.finished(1, "length");
    expect(statistics.snapshot().success.count).toBe(0);
    handle.cancelChoice(1);
    handle.cancelChoice(0);
    handle.cancel();
    expect(statistics.snapshot()).toMatchObject({
      success: { count: 1, ns: 40e6 },
      queue: { count: 1, ns: 10e6 },
      computeInfer: { count: 1, ns: 30e6 },
      fail: { count: 0 },
      inferenceCount: 1,
      executionCount: 1,
      batches: [{ batchSize: 1 }],
    });
  });

  test("has a response for each token of its first choice, and one for its end", () => {
    const { clock, statistics, counted } = begin(2);
    const token = { id: 1, logprob: undefined, topLogprobs: [] };
    clock.advance(10);
    counted.tokens([
      { ...token, choice: 0, position: 0 },
      { ...token, choice: 1, position: 0 },
    ]);
    clock.advance(5);
    counted.tokens([{ ...token, choice: 0, position: 1 }]);
    counted.finished(0, "length");
    counted.finished(1, "length");
    const { responses } = statistics.snapshot();
    expect(responses?.places.map(({ success, empty }) => [success.ns / 1e6, empty.count])).toEqual([
      [10, 0],
      [5, 0],
      [0, 1],
    ]);
    expect(responses?.first).toEqual({ count: 1, ns: 10e6 });
  });

  test.each([
    ["RESOURCE_EXHAUSTED", "REJECTED"],
    ["DEADLINE_EXCEEDED", "CANCELED"],
    ["INTERNAL", "BACKEND"],
    ["INVALID_ARGUMENT", "OTHER"],
  ] as const)("that fails with %s is a failure: %s", (code, reason) => {
    const { statistics, counted } = begin(1);
    counted.failed(new ServingError(code, "why"));
    expect(statistics.snapshot()).toMatchObject({ success: { count: 0 }, fail: { count: 1 }, failures: { [reason]: 1 } });
  });

  test("that nobody waits for any more is canceled", () => {
    const { statistics, handle } = begin(1);
    handle.cancel();
    expect(statistics.snapshot().failures.CANCELED).toBe(1);
  });
});
