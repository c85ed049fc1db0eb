/** Triton's sequence batcher, statement by statement. */
import { describe, expect, test } from "vitest";
import type { SequenceOptions } from "../../../../node-agent/scheduling/sequence-options.ts";
import { SequenceScheduler } from "../../../../node-agent/scheduling/sequence-scheduler.ts";
import { direct, type NamedStep, oldest, options, step } from "./sequence-items.ts";

class Rig {
  readonly scheduler: SequenceScheduler<NamedStep, string>;
  readonly #instances: readonly number[];
  nowMs = 0;

  constructor(fields: Partial<SequenceOptions> = {}) {
    const all = options(fields);
    this.scheduler = new SequenceScheduler(all);
    this.#instances = Array.from({ length: all.instances }, (_, index) => index);
  }

  offer(...items: readonly NamedStep[]): this {
    for (const item of items) expect(this.scheduler.offer(item, this.nowMs)).toBeUndefined();
    return this;
  }

  /** Names by row of what an instance runs, `-` for a row without a request; `at` the time to which it waits, or nothing. */
  next(free = this.#instances): string {
    const decision = this.scheduler.next(free, this.nowMs);
    if (decision.kind === "run") {
      this.#ran = decision.rows;
      return `${decision.instance}: ${decision.rows.map((item) => item?.name ?? "-").join(" ")}`;
    }
    return decision.kind === "wait" ? `at ${decision.untilMs}` : "idle";
  }

  #ran: readonly (NamedStep | undefined)[] = [];

  /** What ran last is done. */
  done(): this {
    for (const item of this.#ran) if (item !== undefined) this.scheduler.done(item, this.nowMs);
    this.#ran = [];
    return this;
  }

  at(nowMs: number): this {
    this.nowMs = nowMs;
    return this;
  }

  gone(): readonly string[] {
    return this.scheduler.gone().map(({ key }) => key);
  }

  refusal(item: NamedStep): string | undefined {
    return this.scheduler.offer(item, this.nowMs)?.message;
  }
}

const START_MISSING = "inference request for sequence a to model 'm' must specify the START flag on the first request of the sequence";

describe("a sequence", () => {
  test("begins with a START, and is over with its END", () => {
    const rig = new Rig();
    expect(rig.refusal(step("a"))).toBe(START_MISSING);
    rig.offer(step("a", "S"), step("a", "", { name: "a2" }), step("a", "E"));
    expect(rig.refusal(step("a"))).toBe(START_MISSING);
    expect([rig.next(), rig.done().next(), rig.done().next()]).toEqual(["0: aS", "0: a2", "0: aE"]);
    rig.done();
    expect([rig.scheduler.live, rig.scheduler.queued]).toEqual([0, 0]);
    expect(rig.gone()).toEqual([]);
  });

  test("may be one request", () => {
    const rig = new Rig().offer(step("a", "SE"));
    expect(rig.next()).toBe("0: aSE");
    rig.done();
    expect(rig.scheduler.live).toBe(0);
  });

  test("runs one request at a time", () => {
    const rig = new Rig({ instances: 2 }).offer(step("a", "S"), step("a"));
    expect(rig.next()).toBe("0: aS");
    expect(rig.next()).toBe("idle");
    expect(rig.done().next()).toBe("0: a");
  });

  test("begins anew with a START, after what waits of the one before", () => {
    const rig = new Rig().offer(step("a", "S"), step("a"), step("a", "S", { name: "again" }), step("a", "", { name: "more" }));
    expect([rig.next(), rig.done().next(), rig.done().next(), rig.done().next()]).toEqual(["0: aS", "0: a", "0: again", "0: more"]);
  });

  test("that is idle for too long is over, and its place free", () => {
    const rig = new Rig({ maxBatchSize: 1 }).offer(step("a", "S"), step("b", "S"));
    expect(rig.next()).toBe("0: aS");
    expect(rig.at(700).done().next()).toBe("at 1700");
    expect(rig.at(1_699).next()).toBe("at 1700");
    expect(rig.at(1_700).next()).toBe("0: bS");
    expect(rig.gone()).toEqual(["a"]);
    expect(rig.refusal(step("a"))).toBe(START_MISSING);
  });

  test("is not idle while it waits in the backlog or runs", () => {
    const rig = new Rig({ maxBatchSize: 1 }).offer(step("a", "S"), step("b", "S"));
    rig.next();
    expect(rig.at(50_000).next()).toBe("idle");
    expect(rig.offer(step("a", "E")).done().next()).toBe("0: aE");
    expect(rig.done().next()).toBe("0: bS");
  });

  test("that goes on from elsewhere needs no START here", () => {
    const rig = new Rig();
    expect(rig.scheduler.offer(step("a"), 0, "state")).toBeUndefined();
    expect(rig.scheduler.find("a")?.memory).toBe("state");
    expect(rig.next()).toBe("0: a");
  });

  test("is over when one of its waiting requests is canceled, and takes the others along", () => {
    const rig = new Rig({ maxBatchSize: 1 });
    const [one, two, three] = [step("a", "S"), step("a", "", { name: "two" }), step("a", "", { name: "three" })];
    rig.offer(one, two, three, step("b", "S"));
    expect(rig.next()).toBe("0: aS");
    expect(rig.scheduler.cancel(one, 0)).toEqual([]); // it runs
    expect(rig.scheduler.cancel(two, 0)).toEqual([three]);
    expect(rig.refusal(step("a"))).toBe(START_MISSING);
    expect(rig.next()).toBe("idle"); // its place is taken until it has run
    expect(rig.done().next()).toBe("0: bS");
    expect(rig.gone()).toEqual(["a"]);
  });

  test("can begin under the same id while the canceled one still runs", () => {
    const rig = new Rig({ instances: 2 });
    const second = step("a");
    rig.offer(step("a", "S"), second);
    rig.next();
    rig.scheduler.cancel(second, 0);
    rig.offer(step("a", "S", { name: "fresh" }));
    expect(rig.next()).toBe("1: fresh");
  });
});

describe("the backlog", () => {
  test("collects the requests of sequences without a place, and the oldest sequence gets the next one with all of them", () => {
    const rig = new Rig({ maxBatchSize: 2 }).offer(step("a", "SE"), step("b", "S"), step("c", "S"), step("d", "S"), step("c", "E"));
    expect(rig.next()).toBe("0: aSE bS");
    expect(rig.done().next()).toBe("0: cS -");
    expect(rig.done().next()).toBe("0: cE -");
    expect(rig.done().next()).toBe("0: dS -");
  });

  test("comes before a sequence that begins anew after its END", () => {
    const rig = new Rig({ maxBatchSize: 1 }).offer(step("a", "SE"), step("b", "SE"), step("a", "SE", { name: "again" }));
    expect([rig.next(), rig.done().next(), rig.done().next()]).toEqual(["0: aSE", "0: bSE", "0: again"]);
  });

  test("is left when a request's timeout is over, by all requests of the sequence", () => {
    const rig = new Rig({ maxBatchSize: 1, idleUs: 60_000_000 }).offer(step("a", "S"), step("b", "S"), step("b", "", { timeoutUs: 5_000 }));
    rig.next();
    expect(rig.done().next()).toBe("at 5");
    expect(
      rig
        .at(5)
        .scheduler.expired(5)
        .map(({ item, error }) => [item.name, error.code, error.message]),
    ).toEqual([
      ["bS", "UNAVAILABLE", "timeout of the corresponding sequence has been expired"],
      ["b", "UNAVAILABLE", "timeout of the corresponding sequence has been expired"],
    ]);
    expect(rig.scheduler.expired(5)).toEqual([]);
    expect(rig.refusal(step("b"))).toMatch(/must specify the START flag/);
  });

  test("has no timeouts for those that have a place", () => {
    const rig = new Rig({ maxBatchSize: 1 }).offer(step("a", "S", { timeoutUs: 1_000 }));
    expect(rig.at(500).scheduler.expired(500)).toEqual([]);
    expect(rig.next()).toBe("0: aS");
  });
});

describe("with the direct strategy", () => {
  test("new sequences spread over the instances before they share one", () => {
    const rig = new Rig({ instances: 2, maxBatchSize: 2 }).offer(
      step("a", "S"),
      step("b", "S"),
      step("c", "S"),
      step("d", "S"),
      step("e", "S"),
    );
    expect([rig.next(), rig.next([1])]).toEqual(["0: aS cS", "1: bS dS"]);
  });

  test("a batch covers the rows up to the highest that is taken, and rows with nothing to run are empty", () => {
    const rig = new Rig().offer(step("a", "S"), step("b", "S"), step("c", "S"));
    expect(rig.next()).toBe("0: aS bS cS");
    rig.done().offer(step("b", "E"));
    expect(rig.next()).toBe("0: - bE -");
    rig.done().offer(step("a"), step("c"));
    expect(rig.next()).toBe("0: a - c");
    rig.done().offer(step("c", "E"));
    rig.next();
    rig.done().offer(step("a"));
    expect(rig.next()).toBe("0: a");
  });

  test("a freed row is the next one to be taken", () => {
    const rig = new Rig().offer(step("a", "SE"), step("b", "S"));
    rig.next();
    rig.done().offer(step("c", "S"), step("b"));
    expect(rig.next()).toBe("0: cS b");
  });

  test("rows of other forms run in a batch of their own, the oldest first", () => {
    const rig = new Rig().offer(step("a", "S", { form: "x" }));
    rig.next();
    rig.done();
    rig.at(1).offer(step("b", "S", { form: "y" }));
    rig.at(2).offer(step("a", "", { form: "x" }), step("c", "S", { form: "y" }));
    expect(rig.next()).toBe("0: - bS cS");
    expect(rig.done().next()).toBe("0: a - -");
  });

  test("a batch waits for enough rows, or for its oldest request", () => {
    const rig = new Rig({ strategy: direct(100_000, 0.5) }).offer(step("a", "S"));
    expect(rig.next()).toBe("at 100");
    rig.at(60).offer(step("b", "S"));
    expect(rig.next()).toBe("0: aS bS");
    rig.done().at(70).offer(step("a"));
    expect(rig.next()).toBe("at 170");
    expect(rig.at(170).next()).toBe("0: a -");
  });

  test("a delay alone delays nothing", () => {
    expect(new Rig({ strategy: direct(100_000) }).offer(step("a", "S")).next()).toBe("0: aS");
  });

  test("a model without batches has a place on each instance", () => {
    const rig = new Rig({ maxBatchSize: 0, instances: 2 }).offer(step("a", "S"), step("b", "S"), step("c", "S"));
    expect([rig.next(), rig.next([1])]).toEqual(["0: aS", "1: bS"]);
  });
});

describe("with the oldest strategy", () => {
  test("the oldest requests of the candidates run together, never two of one sequence", () => {
    const rig = new Rig({ maxBatchSize: 2, strategy: oldest(3) });
    rig.offer(step("a", "S"), step("a"), step("b", "S"), step("c", "S"), step("d", "S"));
    expect(rig.next()).toBe("0: aS bS");
    rig.done().offer(step("b"));
    expect(rig.next()).toBe("0: cS a");
    expect(rig.done().next()).toBe("0: b"); // d waits for a candidate's place
  });

  test("a batch waits for a preferred size no longer than its delay", () => {
    const rig = new Rig({ strategy: oldest(8, { preferredBatchSizes: [2], maxQueueDelayUs: 50_000 }) }).offer(step("a", "S"));
    expect(rig.next()).toBe("at 50");
    rig.at(10).offer(step("b", "S"));
    expect(rig.next()).toBe("0: aS bS");
    rig.done().at(20).offer(step("a"));
    expect(rig.at(70).next()).toBe("0: a");
  });

  test("a sequence stays with its instance", () => {
    const rig = new Rig({ instances: 2, strategy: oldest(2) }).offer(step("a", "S"), step("b", "S"));
    expect([rig.next(), rig.next([1])]).toEqual(["0: aS", "1: bS"]);
  });

  test("a canceled candidate leaves its line", () => {
    const rig = new Rig({ strategy: oldest(4) });
    const waiting = step("a", "S");
    rig.offer(waiting, step("b", "S"));
    rig.scheduler.cancel(waiting, 0);
    expect(rig.next()).toBe("0: bS");
  });

  test("a model without batches runs its candidates one by one", () => {
    const rig = new Rig({ maxBatchSize: 0, strategy: oldest(2) }).offer(step("a", "S"), step("b", "S"));
    expect([rig.next(), rig.done().next()]).toEqual(["0: aS", "0: bS"]);
  });
});

test("nothing runs before as many requests wait as tests ask for", () => {
  const rig = new Rig({ startAfter: 3 }).offer(step("a", "S"), step("b", "S"));
  expect(rig.next()).toBe("idle");
  rig.offer(step("a"));
  expect(rig.next()).toBe("0: aS bS");
  expect(rig.done().next()).toBe("0: a -");
});

test("nothing runs before as many requests wait in the backlog as tests ask for", () => {
  const rig = new Rig({ maxBatchSize: 1, backlogAfter: 2 }).offer(step("a", "SE"), step("b", "S"));
  expect(rig.next()).toBe("idle");
  rig.offer(step("b", "E"));
  expect([rig.next(), rig.done().next()]).toEqual(["0: aSE", "0: bS"]);
});

test("a scheduler that stops refuses new sequences and finishes those that live", () => {
  const rig = new Rig({ startAfter: 9 }).offer(step("a", "S"));
  rig.scheduler.stop();
  expect(rig.refusal(step("b", "S"))).toBe(
    "[request id: <id_unknown>] Server is stopping, scheduler for model has stopped accepting new inference requests",
  );
  rig.offer(step("a", "E"));
  expect([rig.next(), rig.done().next()]).toEqual(["0: aS", "0: aE"]);
});

test("all that waits can be cleared, and every sequence is over then", () => {
  const rig = new Rig({ maxBatchSize: 1 }).offer(step("a", "S"), step("a"), step("b", "S"));
  rig.next();
  expect(rig.scheduler.clear(0).map(({ name }) => name)).toEqual(["a", "bS"]);
  expect([rig.scheduler.live, rig.scheduler.queued, rig.gone()]).toEqual([0, 0, ["a", "b"]]);
  expect(rig.done().next()).toBe("idle");
});
