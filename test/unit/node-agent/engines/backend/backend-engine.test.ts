/** A hosted model that answers through senders: scheduling, room, cancels, failures, and what is counted of it. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../../core/errors.ts";
import type { InferSubmit, InferTimes } from "../../../../../core/messages/infer.ts";
import type { InferSink, Response } from "../../../../../core/messages/infer-sink.ts";
import type { ParameterValues } from "../../../../../core/messages/parameter-value.ts";
import { draftConfig, finishConfig } from "../../../../../core/model/config/prepare.ts";
import type { Tensor } from "../../../../../core/tensor/tensor.ts";
import type { Backend, BackendRequest } from "../../../../../node-agent/backends/backend.ts";
import { BackendEngine } from "../../../../../node-agent/engines/backend/backend-engine.ts";
import { enginePlan } from "../../../../../node-agent/models/engine-plan.ts";
import { IDENTITY, SQUARE } from "../../../../models/sample-backends.ts";
import { FakeClock, turns } from "../../../../support/fake-clock.ts";

const NEVER = new AbortController().signal;
const OUT: Tensor = { name: "OUT", dtype: "INT32", shape: [1], data: new Uint8Array(4) };
const IN: Tensor = { ...OUT, name: "IN" };

/** What came of a request; has room or not, as the test says. */
class Notes implements InferSink {
  readonly responses: Response[] = [];
  outcome: readonly Tensor[] | ServingError | undefined;
  times: InferTimes | undefined;
  hasRoom = true;

  /** Of each answer, the last one's, too. */
  readonly parameters: (ParameterValues | undefined)[] = [];

  respond(response: Response, parameters?: ParameterValues): boolean {
    this.responses.push(response);
    this.parameters.push(parameters);
    return this.hasRoom;
  }

  answered(outputs: readonly Tensor[], times: InferTimes, parameters?: ParameterValues): void {
    this.outcome = outputs;
    this.parameters.push(parameters);
    this.times = times;
  }

  failed(error: ServingError): void {
    this.outcome = error;
  }
}

const submitOf = (fields: Partial<InferSubmit> = {}): InferSubmit => ({
  kind: "infer",
  replica: "m/1/1",
  tenant: "public",
  id: "",
  remainingMs: undefined,
  traceparent: "",
  priority: 0,
  queueTimeoutUs: 0,
  parameters: new Map(),
  inputs: [IN],
  outputs: [],
  ...fields,
});

/** A backend that the test drives: it keeps what it is given, and each `execute` lasts until the test lets it go. */
async function rig(config: string, { instances = 1 } = {}) {
  const clock = new FakeClock();
  const given: BackendRequest[] = [];
  const executing: { readonly instance: number; readonly done: PromiseWithResolvers<void>; readonly batch: readonly BackendRequest[] }[] =
    [];
  let open = 0;
  const backend: Backend = {
    async open(_model, instance) {
      open += 1;
      return {
        async execute(batch) {
          given.push(...batch);
          const done = Promise.withResolvers<void>();
          executing.push({ instance, done, batch });
          await done.promise;
        },
        async [Symbol.asyncDispose]() {
          open -= 1;
        },
      };
    },
  };
  const text = `${config} instance_group { count: ${instances} kind: KIND_CPU }`;
  const draft = draftConfig({ name: "m", files: [] }, { kind: "file", name: "config.pbtxt", text });
  const { configuration, problems } = finishConfig(draft, { signature: undefined });
  if (configuration === undefined) throw new Error(problems[0]?.message);
  const plan = enginePlan(configuration, { startAfter: 0 });
  const engine = await BackendEngine.open(
    { backend, model: { configuration, version: "1", configJson: "{}", file: "", warmUps: [] }, plan, scope: "m/1/1" },
    { clock },
    NEVER,
  );
  const ask = async (fields: Partial<InferSubmit> = {}, prepare: (notes: Notes) => void = () => {}) => {
    const notes = new Notes();
    prepare(notes);
    const handle = engine.infer(submitOf(fields), notes);
    await turns();
    return { notes, handle, request: given.at(-1) };
  };
  return { engine, clock, given, executing, ask, openInstances: () => open };
}

const onlySender = ({ given }: { readonly given: readonly BackendRequest[] }) => {
  const [request] = given;
  if (request === undefined) throw new Error("no request was executed");
  return request.sender;
};

describe("a decoupled model", () => {
  test("answers as it comes, and ends when it says so, after its batch or in it", async () => {
    const { executing, ask, engine, ...rest } = await rig(SQUARE);
    const { notes } = await ask();
    const sender = onlySender(rest);
    expect(sender.send([OUT])).toBeUndefined();
    executing[0]?.done.resolve();
    await turns();
    expect([notes.responses, notes.outcome, engine.load().running]).toEqual([[[OUT]], undefined, 1]);
    void sender.send([OUT]);
    sender.end();
    expect([notes.responses.length, notes.outcome, engine.load().running]).toEqual([2, [], 0]);
  });

  test("gives its answers parameters, each its own", async () => {
    const { ask, ...rest } = await rig(SQUARE);
    const { notes } = await ask();
    const [one, last] = [new Map([["place", 1n]]), new Map([["place", 2n]])];
    void onlySender(rest).send([OUT], one);
    void onlySender(rest).send([OUT]);
    onlySender(rest).end([OUT], last);
    expect(notes.parameters).toEqual([one, undefined, last]);
  });

  test("takes the next batch as soon as the instance is free, whether its requests have ended or not", async () => {
    const { executing, ask, engine } = await rig(SQUARE);
    await ask();
    await ask();
    expect([executing.length, engine.load()]).toMatchObject([1, { queued: 1, running: 1 }]);
    executing[0]?.done.resolve();
    await turns();
    expect([executing.length, engine.load()]).toMatchObject([2, { queued: 0, running: 2 }]);
  });

  test("has as many batches under way as instances", async () => {
    const { executing, ask, engine } = await rig(SQUARE, { instances: 2 });
    for (let count = 0; count < 3; count++) await ask();
    expect([executing.map(({ instance }) => instance), engine.load().queued]).toEqual([[0, 1], 1]);
  });

  test("is held back where its reader has no room, and goes on when there is", async () => {
    const { ask, ...rest } = await rig(SQUARE);
    const { notes, handle } = await ask({}, (one) => {
      one.hasRoom = false;
    });
    const sender = onlySender(rest);
    const room = sender.send([OUT]);
    expect(room).toBeInstanceOf(Promise);
    expect(() => sender.send([OUT])).toThrow("There is no room for another yet");
    handle.resume?.();
    await room;
    void sender.send([OUT]);
    expect(notes.responses).toHaveLength(2);
  });

  test("may fail at one answer and go on", async () => {
    const { ask, ...rest } = await rig(SQUARE);
    const { notes } = await ask();
    const sender = onlySender(rest);
    const failure = new ServingError("UNKNOWN", "simulated failure");
    void sender.send(failure);
    void sender.send([OUT]);
    sender.end();
    expect([notes.responses, notes.outcome]).toEqual([[failure, [OUT]], []]);
  });

  test("that fails for good says nothing more", async () => {
    const { ask, ...rest } = await rig(SQUARE);
    const { notes } = await ask();
    const sender = onlySender(rest);
    const failure = new ServingError("INTERNAL", "boom");
    sender.end(failure);
    expect(notes.outcome).toBe(failure);
    expect(() => sender.send([OUT])).toThrow("Unable to send response. Response sender has been closed.");
  });

  test("whose execution fails fails its requests that have not ended", async () => {
    const { ask, executing } = await rig(SQUARE);
    const { notes } = await ask();
    executing[0]?.done.reject(new ServingError("INTERNAL", "the interpreter died"));
    await turns();
    expect(notes.outcome).toMatchObject({ code: "INTERNAL", message: "the interpreter died" });
  });

  test("is not asked by whoever takes one answer only", async () => {
    const { engine } = await rig(SQUARE);
    const one: InferSink = { answered: () => {}, failed: () => {} };
    expect(() => engine.infer(submitOf(), one)).toThrow("ask for a stream");
  });
});

describe("a cancel", () => {
  test("of a request that runs aborts its sender's signal, lets go who waits for room, and nothing more is said", async () => {
    const { ask, engine, ...rest } = await rig(SQUARE);
    const { notes, handle } = await ask({}, (one) => {
      one.hasRoom = false;
    });
    const sender = onlySender(rest);
    const room = sender.send([OUT]);
    const { signal } = sender;
    handle.cancel();
    await room;
    expect([signal.aborted, sender.isCanceled, engine.load().running]).toEqual([true, true, 0]);
    void sender.send([OUT]);
    sender.end();
    expect([notes.responses.length, notes.outcome]).toEqual([1, undefined]);
    expect(engine.statistics().failures.CANCELED).toBe(1);
  });

  test("of a request that waits takes it out of the queue", async () => {
    const { ask, engine, executing } = await rig(SQUARE);
    await ask();
    const { handle } = await ask();
    handle.cancel();
    executing[0]?.done.resolve();
    await turns();
    expect([executing.length, engine.load()]).toMatchObject([1, { queued: 0, running: 1 }]);
  });
});

describe("a deadline", () => {
  test("that passes in the queue fails the request, and it is not executed", async () => {
    const { ask, clock, executing } = await rig(SQUARE);
    await ask();
    const { notes } = await ask({ remainingMs: 50 });
    await clock.pass(60);
    expect(notes.outcome).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    executing[0]?.done.resolve();
    await turns();
    expect(executing).toHaveLength(1);
  });
});

describe("statistics", () => {
  test("count a request once, and its answers by their place", async () => {
    const { ask, clock, engine, executing, ...rest } = await rig(SQUARE);
    clock.advance(5);
    await ask();
    const sender = onlySender(rest);
    clock.advance(10);
    void sender.send([OUT]);
    clock.advance(20);
    void sender.send(new ServingError("UNKNOWN", "simulated failure"));
    executing[0]?.done.resolve();
    await turns();
    clock.advance(30);
    sender.end();
    const { success, executionCount, responses } = engine.statistics();
    const none = { count: 0, ns: 0 };
    const took = (ms: number) => ({ count: 1, ns: ms * 1e6 });
    expect([success, executionCount]).toEqual([took(60), 1]);
    expect(responses?.places).toEqual([
      { computeInfer: took(10), computeOutput: took(0), success: took(10), fail: none, empty: none, cancel: none },
      { computeInfer: took(20), computeOutput: took(0), success: none, fail: took(20), empty: none, cancel: none },
      { computeInfer: took(30), computeOutput: none, success: none, fail: none, empty: took(30), cancel: none },
    ]);
  });

  test("of models that answer once have no answers by place", async () => {
    const { ask, engine, ...rest } = await rig(IDENTITY);
    await ask({ inputs: [{ name: "INPUT0", dtype: "FP32", shape: [1, 1], data: new Uint8Array(4) }] });
    onlySender(rest).end([]);
    expect(engine.statistics()).not.toHaveProperty("responses");
  });
});

describe("a model that answers once", () => {
  const input = { inputs: [{ ...OUT, name: "INPUT0", dtype: "FP32", shape: [1, 1] } as const] };

  test("may send its answer and then end", async () => {
    const { ask, ...rest } = await rig(IDENTITY);
    const { notes } = await ask(input);
    const sender = onlySender(rest);
    void sender.send([OUT]);
    expect(notes.outcome).toEqual([OUT]);
    sender.end();
  });

  test("cannot answer twice", async () => {
    const { ask, ...rest } = await rig(IDENTITY);
    await ask(input);
    const sender = onlySender(rest);
    void sender.send([OUT]);
    expect(() => sender.send([OUT])).toThrow("Unable to send response. Non-decoupled model cannot send more than one response");
  });

  test("fails a request that it ends without an answer", async () => {
    const { ask, ...rest } = await rig(IDENTITY);
    const { notes } = await ask(input);
    onlySender(rest).end();
    expect(notes.outcome).toMatchObject({ message: "expected a single response, got 0" });
  });
});

describe("the end of an engine", () => {
  test("a drain waits for requests that go on after their batch", async () => {
    const { ask, engine, executing, ...rest } = await rig(SQUARE);
    await ask();
    executing[0]?.done.resolve();
    let drained = false;
    const draining = engine.drain().then(() => {
      drained = true;
    });
    await turns();
    expect(drained).toBe(false);
    onlySender(rest).end();
    await draining;
    expect(() => engine.infer(submitOf(), new Notes())).toThrow("was unloaded; try again");
  });

  test("disposing it fails what is left and closes every instance", async () => {
    const { ask, engine, openInstances } = await rig(SQUARE, { instances: 2 });
    const running = await ask();
    await ask();
    const waiting = await ask();
    await engine[Symbol.asyncDispose]();
    expect([running.notes.outcome, waiting.notes.outcome]).toMatchObject([{ code: "UNAVAILABLE" }, { code: "UNAVAILABLE" }]);
    expect(openInstances()).toBe(0);
  });

  test("an instance that cannot be opened leaves none behind", async () => {
    let open = 0;
    const backend: Backend = {
      open: async (_model, number) => {
        if (number === 1) throw new ServingError("INTERNAL", "no second one");
        open += 1;
        const close = async () => {
          open -= 1;
        };
        return { execute: async () => {}, [Symbol.asyncDispose]: close };
      },
    };
    const draft = draftConfig(
      { name: "m", files: [] },
      { kind: "file", name: "config.pbtxt", text: `${SQUARE} instance_group { count: 2 }` },
    );
    const { configuration } = finishConfig(draft, { signature: undefined });
    if (configuration === undefined) throw new Error("square can be served");
    const plan = enginePlan(configuration, { startAfter: 0 });
    const opening = BackendEngine.open(
      { backend, model: { configuration, version: "1", configJson: "{}", file: "", warmUps: [] }, plan, scope: "" },
      { clock: new FakeClock() },
      NEVER,
    );
    await expect(opening).rejects.toThrow("no second one");
    expect(open).toBe(0);
  });
});
