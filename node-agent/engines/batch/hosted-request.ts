/** A request that an engine has taken in, until its one answer. Pure. */

import type { Upcalls } from "../../../core/messages/calling-request.ts";
import type { InferSubmit } from "../../../core/messages/infer.ts";
import type { InferSink } from "../../../core/messages/infer-sink.ts";
import type { Turn } from "../../scheduling/release-order.ts";
import type { WaitingItem } from "../../scheduling/waiting.ts";
import type { BatchMember } from "./split.ts";

export class HostedRequest implements WaitingItem, BatchMember {
  readonly submit: InferSubmit;
  readonly sink: InferSink;
  readonly id: string;
  readonly size: number;
  readonly form: string;
  readonly priority: number;
  readonly timeoutUs: number;
  readonly rows: number;
  readonly arrivedMs: number;
  readonly deadlineMs: number | undefined;
  /** Its place where responses leave in order. */
  turn: Turn | undefined;
  /** Under which its answer is kept; undefined: it is not. */
  cacheKey: string | undefined;
  /** What looking it up took. */
  lookupUs = 0;
  /** Its answer is decided: outputs, a failure, or none because it was canceled. */
  over = false;
  /** Its sender wants no answer any more. */
  muted = false;
  /** Its place in the queue. */
  waiting: WaitingItem["waiting"];
  /** What it runs in, or will as soon as an instance may. */
  batch: FormedBatch | undefined;
  /** The way to models elsewhere, where it may call some. */
  upcalls: Upcalls | undefined;

  constructor(submit: InferSubmit, sink: InferSink, about: { readonly rows: number; readonly form: string; readonly nowMs: number }) {
    this.submit = submit;
    this.sink = sink;
    this.id = submit.id;
    this.rows = about.rows;
    this.size = Math.max(1, about.rows);
    this.form = about.form;
    this.priority = submit.priority;
    this.timeoutUs = submit.queueTimeoutUs;
    this.arrivedMs = about.nowMs;
    this.deadlineMs = submit.remainingMs === undefined ? undefined : about.nowMs + submit.remainingMs;
  }
}

/** Requests that run together. */
export interface FormedBatch {
  readonly requests: readonly HostedRequest[];
  /** Runners that died of it, or of what was in a batch with it. */
  readonly deaths: number;
  /** Ends its run; undefined while it does not run. */
  abort: (() => void) | undefined;
}
