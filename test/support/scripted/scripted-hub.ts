/** What the parts of the scripted wire ask of one another: the hub that they live in and the ends that messages go to. */
import type { Clock } from "../../../core/clock.ts";
import type { ServingError } from "../../../core/errors.ts";
import type { OpenShard } from "../../../core/wire/runner-handle.ts";
import type { Step } from "../../../core/wire/step.ts";

/** What stages ask of the place that they live in. */
export interface ScriptedHub {
  readonly clock: Clock;
  readonly vocabSize: number;
  readonly openMs: number;
  readonly decodeRowsMin: number;
  runMs(step: Step, shard: OpenShard): number;
  /** The end that listens at this address, if any. */
  find(address: string): ScriptedEnd | undefined;
  register(address: string, end: ScriptedEnd): void;
  unregister(address: string): void;
  /** A rule was broken: kept for the test to see, whatever the lead makes of it. */
  violated(message: string): void;
}

/** A stage or a wire: what an upstream end sends to. */
export interface ScriptedEnd {
  readonly kind: "stage" | "wire";
  /** The upstream end says hello; messages of an epoch flow only after it. */
  hello(from: Upstream): void;
  /** `bytes`: an encoded step for a stage, an encoded result for a wire. */
  deliver(message: ScriptedMessage): void;
  /** The upstream end is gone. */
  upstreamGone(epoch: number, why: ServingError): void;
}

export interface ScriptedMessage {
  readonly replica: string;
  readonly epoch: number;
  readonly step: number;
  readonly bytes: Uint8Array;
  readonly stageUs: readonly number[];
}

/** The end that sends to a stage or a wire. */
export interface Upstream {
  readonly replica: string;
  readonly epoch: number;
  connected(): boolean;
  /** The end that it sends to is gone. */
  broken(why: ServingError): void;
}
