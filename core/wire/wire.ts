/**
 * The wire: how a lead drives the stages of one replica. Adapters: `socket.ts` (unix sockets on a host, TCP between hosts) and
 * `scripted.ts` (memory, for simulations); both pass `test/contract/wire.ts`.
 */

import type { ServingError } from "../errors.ts";
import type { ReplicaId } from "../ids.ts";
import type { Step, StepResult } from "./step.ts";

/** The stages of one replica in one epoch, as one thing. */
export interface Pipeline {
  /** Steps run in the order of submission. Never blocks; the lead bounds how many are under way. */
  submit(step: Step): void;
  /** Lets the stages go; no listener is called afterwards. */
  close(): void;
}

export interface PipelineListener {
  /** In the order of submission. */
  result(result: StepResult): void;
  /** A stage is gone or sent nonsense: nothing comes any more. Called at most once. */
  broken(error: ServingError): void;
}

export interface JoinOptions {
  readonly replica: ReplicaId;
  /** Both ends drop what carries a lower one. */
  readonly epoch: number;
  /** Where stage 0 listens. */
  readonly first: string;
}

export interface Wire extends AsyncDisposable {
  /** Where last stages bring their results. `unix:PATH`, `tcp:HOST:PORT` or `tls:HOST:PORT`. */
  readonly address: string;
  /**
   * Dials stage 0 and waits until the last stage has dialed `address` with the same replica and epoch.
   * @throws ServingError UNAVAILABLE when stage 0 does not answer; the signal's reason when that aborts.
   */
  join(options: JoinOptions, listener: PipelineListener, signal: AbortSignal): Promise<Pipeline>;
}
