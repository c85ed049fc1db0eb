/** A request that the sequence engine has taken in: one step of a sequence, until its one answer. */
import { ServingError } from "../../../core/errors.ts";
import type { InferSink } from "../../../core/messages/infer-sink.ts";
import type { SequenceFlags, SequencePassage } from "../../../core/messages/sequence-step.ts";
import type { LiveSequence } from "../../scheduling/live-sequence.ts";
import type { SequenceItem } from "../../scheduling/sequence-options.ts";
import type { HostedRequest } from "../batch/hosted-request.ts";
import type { SequenceMemory } from "./sequence-memory.ts";

export type HostedSequence = LiveSequence<SequenceStep, SequenceMemory>;

/** Passes the answer on to whoever waits for it now: the way to the sender may be lost, and the sender come back on another. */
export class AnswerRelay implements InferSink {
  target: InferSink | undefined;

  constructor(target: InferSink) {
    this.target = target;
  }

  /** Nobody waits any more; somebody may again. */
  leave(): void {
    this.target = undefined;
  }

  answered: InferSink["answered"] = (outputs, times) => this.target?.answered(outputs, times);
  failed: InferSink["failed"] = (error) => this.target?.failed(error);

  moved(owner: string): void {
    const { target } = this;
    if (target?.moved !== undefined) target.moved(owner);
    else
      target?.failed(
        new ServingError("ABORTED", `the sequence has moved to ${owner}: send the request there`, { reason: "sequence_moved" }),
      );
  }
}

export interface StepParts {
  readonly hosted: HostedRequest;
  readonly relay: AnswerRelay;
  readonly key: string;
  readonly id: string | bigint;
  readonly flags: SequenceFlags;
  readonly passage: SequencePassage;
}

export class SequenceStep implements SequenceItem {
  readonly hosted: HostedRequest;
  readonly relay: AnswerRelay;
  readonly key: string;
  /** The correlation id. */
  readonly sequenceId: string | bigint;
  readonly start: boolean;
  readonly end: boolean;
  /** Which step of its sequence its client means it to be; undefined: the next. */
  readonly step: number | undefined;
  readonly passage: SequencePassage;
  readonly id: string;
  readonly size = 1;
  readonly priority = 0;
  readonly timeoutUs: number;
  /** Its gateway watches that. */
  readonly deadlineMs = undefined;
  /** Set when the scheduler has taken it in. */
  sequence: HostedSequence | undefined;

  constructor({ hosted, relay, key, id, flags, passage }: StepParts) {
    this.hosted = hosted;
    this.relay = relay;
    this.key = key;
    this.sequenceId = id;
    this.start = flags.start;
    this.end = flags.end;
    this.step = flags.step;
    this.passage = passage;
    this.id = hosted.id;
    this.timeoutUs = hosted.timeoutUs;
  }

  get correlation(): string {
    return String(this.sequenceId);
  }

  /** States whose shapes differ cannot share a batch either. */
  get form(): string {
    const { form } = this.hosted;
    const memory = this.start ? undefined : this.sequence?.memory;
    return memory === undefined ? form : memory.states.reduce((all, { shape }) => `${all};${shape.join()}`, form);
  }

  get token(): string {
    return this.passage.token;
  }
}
