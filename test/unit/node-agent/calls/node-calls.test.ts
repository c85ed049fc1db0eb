/** Calls are answered where their model is. */

import { describe, expect, test } from "vitest";
import type { CallingRequest } from "../../../../core/messages/calling-request.ts";
import { CALL_DEPTH_MAX, type CalledInfer, type InferSubmit } from "../../../../core/messages/infer.ts";
import type { InferHandle, InferSink } from "../../../../core/messages/infer-sink.ts";
import type { PublishedModel } from "../../../../core/model/published-model.ts";
import { Gateways } from "../../../../node-agent/calls/gateways.ts";
import type { ModelCall } from "../../../../node-agent/calls/model-calls.ts";
import { NodeCalls } from "../../../../node-agent/calls/node-calls.ts";
import type { InferenceEngine } from "../../../../node-agent/engines/inference-engine.ts";
import { StatisticsCounter } from "../../../../node-agent/engines/statistics.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { ints, request } from "../engines/batch/batch-world.ts";

const port = (name: string) => ({ name, dtype: "INT32", shape: [-1, 1], optional: false, ragged: false, labels: [] }) as const;
const PUBLISHED: PublishedModel = {
  name: "m",
  version: "2",
  platform: "onnxruntime_onnx",
  maxBatchSize: 4,
  decoupled: false,
  inputs: [port("A"), port("B")],
  outputs: [port("Y")],
  configJson: "{}",
};
const SILENT: InferSink = { answered: () => {}, failed: () => {} };
const HANDLE: InferHandle = { cancel: () => {} };

/** Keeps what it is asked. */
class Noted implements InferenceEngine {
  readonly submits: InferSubmit[] = [];
  infer(submit: InferSubmit): InferHandle {
    this.submits.push(submit);
    return HANDLE;
  }
  load = () => ({ queued: 0, running: 0 });
  statistics = () => new StatisticsCounter().snapshot();
  drain = async () => {};
  [Symbol.asyncDispose] = async () => {};
}

function rig() {
  const clock = new FakeClock();
  const engine = new Noted();
  const up: Omit<CalledInfer, "caller">[] = [];
  const calls = new NodeCalls(
    (model, version) => (model === "m" && version === 2 ? { replica: "m/2/1", published: PUBLISHED, engine } : undefined),
    new Gateways(),
    clock,
  );
  const upcalls = {
    call: (call: Omit<CalledInfer, "caller">) => {
      up.push(call);
      return HANDLE;
    },
  };
  const from = (fields: Partial<InferSubmit> = {}, deadlineMs?: number): CallingRequest => ({
    submit: request([], { tenant: "t", traceparent: "00-1", ...fields }),
    deadlineMs,
    upcalls,
  });
  return { clock, engine, up, calls, from };
}

const callOf = (fields: Partial<ModelCall> = {}): ModelCall => ({
  model: "m",
  version: undefined,
  near: 2,
  id: "7",
  priority: 1,
  queueTimeoutUs: 0,
  parameters: new Map(),
  inputs: [ints("B", [1, 1], [2]), ints("A", [1, 1], [1])],
  outputs: [],
  ...fields,
});

describe("a call", () => {
  test("of a version that is ready here is answered here, for the same tenant, trace and deadline, one deeper", () => {
    const { clock, engine, up, calls, from } = rig();
    clock.advance(40);
    calls.call(callOf(), from({ depth: 3 }, 100), SILENT);
    expect(engine.submits).toMatchObject([
      { replica: "m/2/1", tenant: "t", traceparent: "00-1", id: "7", priority: 1, remainingMs: 60, depth: 4 },
    ]);
    expect(engine.submits[0]?.inputs.map(({ name }) => name)).toEqual(["A", "B"]); // as requests of one batch must agree
    expect(up).toEqual([]);
  });

  test("of another version, or that only the gateway can route, goes up", () => {
    const { engine, up, calls, from } = rig();
    calls.call(callOf({ version: 3, near: 3 }), from(), SILENT);
    calls.call(callOf({ near: undefined }), from(), SILENT);
    calls.call(callOf({ model: "other", near: 2 }), from(), SILENT);
    expect(up).toMatchObject([
      { model: "m", version: 3, depth: 1 },
      { model: "m", version: undefined },
      { model: "other", version: undefined },
    ]);
    expect(engine.submits).toEqual([]);
  });

  test("that does not fit the model is refused in Triton's words, executed by nobody", () => {
    const { engine, calls, from } = rig();
    expect(() => calls.call(callOf({ inputs: [ints("A", [1, 1], [1])] }), from(), SILENT)).toThrow(
      "expected 2 inputs but got 1 inputs for model 'm'",
    );
    expect(engine.submits).toEqual([]);
  });

  test("with nowhere to go says which model is missing", () => {
    const { calls, from } = rig();
    const alone = { ...from(), upcalls: undefined };
    expect(() => calls.call(callOf({ model: "other" }), alone, SILENT)).toThrow("model 'other' is not ready on this node");
  });

  test("after the deadline is not made", () => {
    const { clock, calls, from } = rig();
    clock.advance(100);
    expect(() => calls.call(callOf(), from({}, 100), SILENT)).toThrow("the deadline passed before model 'm' was called");
  });

  test(`may be ${CALL_DEPTH_MAX} calls deep, and no deeper`, () => {
    const { engine, calls, from } = rig();
    calls.call(callOf(), from({ depth: CALL_DEPTH_MAX - 1 }), SILENT);
    expect(engine.submits).toHaveLength(1);
    expect(() => calls.call(callOf(), from({ depth: CALL_DEPTH_MAX }), SILENT)).toThrow("do models call each other in a circle?");
  });
});
