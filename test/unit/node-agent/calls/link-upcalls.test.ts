/** Calls go up a link and their answers come down, with the gateway's desk at the other end. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { CALL_NUMBERS_FROM, STREAM_CREDIT } from "../../../../core/link/link.ts";
import type { CalledInfer, InferResult } from "../../../../core/messages/infer.ts";
import type { Tensor } from "../../../../core/tensor/tensor.ts";
import { CALLS_MAX, CallDesk, type Caller } from "../../../../gateway/serving/call-desk.ts";
import type { DecoupledResponse } from "../../../../gateway/serving/inference.ts";
import { CallLine } from "../../../../node-agent/calls/link-upcalls.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { linkPair } from "../link-pair.ts";

const TIMES = { queueUs: 1, computeInputUs: 2, computeInferUs: 3, computeOutputUs: 4 };
const STREAM = 5;

const bytesOf = (length: number): Tensor => ({
  name: "X",
  dtype: "UINT8",
  shape: [length],
  data: Uint8Array.from({ length }, (_, index) => index % 251),
});

function callOf(inputs: readonly Tensor[] = [bytesOf(3)]): Omit<CalledInfer, "caller"> {
  return {
    model: "m",
    version: undefined,
    id: "7",
    depth: 1,
    priority: 2,
    queueTimeoutUs: 3,
    parameters: new Map([["sequence_id", 9n]]),
    inputs,
    outputs: ["Y"],
  };
}

/** Gives inputs back as outputs, or waits for the test. */
class Echo implements Caller {
  readonly calls: { readonly call: CalledInfer; readonly signal: AbortSignal; readonly answer: PromiseWithResolvers<InferResult> }[] = [];
  waits = false;
  /** What the model answers, where it answers any number of times. */
  streams: (() => AsyncIterable<DecoupledResponse>) | undefined;

  responses() {
    return this.streams?.();
  }

  async infer(call: CalledInfer, signal: AbortSignal): Promise<InferResult> {
    const answer = Promise.withResolvers<InferResult>();
    this.calls.push({ call, signal, answer });
    if (!this.waits) answer.resolve({ outputs: call.inputs, times: TIMES });
    return await answer.promise;
  }
}

async function rig() {
  const { links, gateway, agent } = await linkPair(new FakeClock());
  const desk = new CallDesk(gateway);
  const caller = new Echo();
  const request = desk.expect(STREAM, caller);
  const line = new CallLine(agent);
  const call = (made = callOf(), stream = STREAM) => {
    const outcome: { came: string | undefined; outputs: readonly Tensor[]; cancel: () => void } = {
      came: undefined,
      outputs: [],
      cancel: () => handle.cancel(),
    };
    const handle = line.of(stream).call(made, {
      answered: (outputs, times) => {
        outcome.came = `answered after ${times.computeInferUs} us`;
        outcome.outputs = outputs;
      },
      failed: ({ code, message }) => {
        outcome.came = `${code} ${message}`;
      },
    });
    return outcome;
  };
  return { links, gateway, agent, caller, request, line, call };
}

describe("a call", () => {
  test("reaches the request that it belongs to, with all that it carries, and its answer comes back", async () => {
    const { caller, call } = await rig();
    const outcome = call();
    expect(outcome.came).toBeUndefined();
    await turns(40);
    expect(caller.calls[0]?.call).toEqual({ ...callOf(), caller: STREAM });
    expect(outcome.came).toBe("answered after 3 us");
    expect(outcome.outputs[0]?.data).toEqual(bytesOf(3).data);
  });

  test("of megabytes goes there and comes back by credit, byte for byte", async () => {
    const { call } = await rig();
    const outcome = call(callOf([bytesOf(5_000_000)]));
    await turns(2_000);
    expect(Buffer.from(outcome.outputs[0]?.data ?? []).equals(bytesOf(5_000_000).data)).toBe(true);
  });

  test("that fails is told with code and words", async () => {
    const { caller, call } = await rig();
    caller.waits = true;
    const outcome = call();
    await turns(40);
    caller.calls[0]?.answer.reject(new ServingError("NOT_FOUND", "Request for unknown model: 'm' is not found"));
    await turns(40);
    expect(outcome.came).toBe("NOT_FOUND Request for unknown model: 'm' is not found");
  });

  test("that fails while answers wait for room is told so behind them", async () => {
    const { caller, line } = await rig();
    const answers = 2 * STREAM_CREDIT.tensor;
    caller.streams = async function* () {
      for (let number = 0; number < answers; number++)
        yield { model: "m", version: "1", parameters: new Map(), outputs: [bytesOf(number)] };
      throw new ServingError("INTERNAL", "the model has had enough");
    };
    const lengths: number[] = [];
    let failure: ServingError | undefined;
    const handle = line.of(STREAM).call(callOf(), {
      respond: (response) => {
        if (!(response instanceof ServingError)) lengths.push(response[0]?.data.byteLength ?? -1);
        return false;
      },
      answered: () => {},
      failed: (error) => {
        failure = error;
      },
    });
    await turns(200);
    expect([lengths, failure]).toEqual([[0], undefined]); // no more than there is room for
    for (let answer = 0; answer < answers; answer++) {
      handle.resume?.();
      await turns(40);
    }
    expect(lengths).toEqual(Array.from({ length: answers }, (_, number) => number));
    expect(failure).toMatchObject({ code: "INTERNAL", message: "the model has had enough" });
  });

  test("that is canceled is given up at the gateway, and answers nothing", async () => {
    const { caller, call } = await rig();
    caller.waits = true;
    const outcome = call();
    await turns(40);
    outcome.cancel();
    await turns(40);
    expect(caller.calls[0]?.signal.aborted).toBe(true);
    caller.calls[0]?.answer.resolve({ outputs: [], times: TIMES });
    await turns(40);
    expect(outcome.came).toBeUndefined();
  });

  test("of a request that is over is refused, and one under way is given up when its request ends", async () => {
    const { caller, call, request } = await rig();
    caller.waits = true;
    call();
    await turns(40);
    request[Symbol.dispose]();
    expect(caller.calls[0]?.signal.aborted).toBe(true);
    const late = call();
    const other = call(callOf(), STREAM + 1);
    await turns(40);
    expect([late.came, other.came]).toEqual(Array(2).fill("UNAVAILABLE the request that makes this call is over"));
  });

  test("fails when the link is lost", async () => {
    const { caller, call, agent } = await rig();
    caller.waits = true;
    const outcome = call();
    await turns(40);
    agent.close();
    await turns(40);
    expect(outcome.came).toBe("UNAVAILABLE model 'm' was called, but the way to its answer is gone: try again");
    const later = call();
    await turns(40);
    expect(later.came).toContain("UNAVAILABLE");
  });

  test("is refused when its request has too many under way", async () => {
    const { caller, call } = await rig();
    caller.waits = true;
    const outcomes = Array.from({ length: CALLS_MAX + 1 }, () => call());
    await turns(400);
    expect(outcomes.map(({ came }) => came).filter((came) => came !== undefined)).toEqual([
      `RESOURCE_EXHAUSTED a request has ${CALLS_MAX} calls under way, more must wait`,
    ]);
  });

  test("does not stand in the way of the streams that the gateway begins, before and after", async () => {
    const { gateway, agent, call } = await rig();
    agent.onStream((number) => agent.open(number, "tokens").listen({ frame: () => {}, ended: () => {} }));
    const outcomes = [];
    for (let number = 0; number < 3; number++) {
      const stream = gateway.open(number, "tokens");
      const ends: string[] = [];
      stream.listen({ frame: () => {}, ended: ({ kind }) => ends.push(kind) });
      stream.write(Uint8Array.of(1));
      outcomes.push(call());
      await turns(40);
      agent.open(number, "tokens").end();
      stream.end();
      await turns(20);
      expect(ends).toEqual(["end"]);
    }
    expect(outcomes.every(({ came }) => came?.startsWith("answered"))).toBe(true);
  });

  test("that makes no sense harms nobody else", async () => {
    const { agent, call } = await rig();
    const stream = agent.open(CALL_NUMBERS_FROM + 1_000, "tensor");
    const ends: string[] = [];
    stream.listen({ frame: () => stream.consumed(1), ended: ({ kind }) => ends.push(kind) });
    stream.write(Uint8Array.of(9, 9));
    stream.end();
    await turns(40);
    expect(ends).toEqual(["end"]);
    const outcome = call();
    await turns(40);
    expect(outcome.came).toContain("answered");
  });
});
