/**
 * Brings a submit to an agent and waits for its first frame. A few at once take the link, which is cheaper. While more are unanswered
 * they take the bus, which joins them, and stands behind nothing that the link carries. What is too large for it, or is not answered
 * in time there, goes over the link. The agent takes the first copy and drops the other.
 */

import type { Bus } from "../../core/bus/bus.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { failureOf } from "../../core/messages/failed-answer.ts";
import type { AnswerFrame, RefusalReason, SubmitBody } from "../../core/messages/generation.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import { encodeSubmit } from "../../core/messages/submit-codec.ts";
import { submitFrames } from "../../core/messages/submit-frames.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { AnswerStream } from "./answer-stream.ts";
import type { Caller } from "./call-desk.ts";
import { EqualTimeouts } from "./equal-timeouts.ts";
import type { LinkPool, NodeTarget, PooledLink } from "./link-pool.ts";

/** Larger submits take the link: a broker carries large messages badly. */
export const BUS_SUBMIT_BYTES_MAX = 32 * 1024;
const LINK_SUBMITS_MAX = 16;
/** No frame for so long: the same submit goes over the link. */
export const ACK_MS = 250;
/** No frame for so long after all: the agent hangs. */
const SILENT_AGENT_MS = 5_000;

export type Submission =
  | { readonly kind: "accepted"; readonly queued: number; readonly answers: AnswerStream }
  /** Not executed: another node may. */
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly message: string }
  /** Nobody answered, or the link went before the answer. `sent`: it may have been executed. */
  | { readonly kind: "unreachable"; readonly sent: boolean; readonly error: ServingError };

/** For people who ask what became of a request. */
export function submissionText(submission: Submission): string {
  switch (submission.kind) {
    case "accepted":
      return "accepted";
    case "refused":
      return `refused: ${submission.reason}`;
    case "unreachable":
      return `unreachable: ${submission.error.message}`;
  }
}

export interface SubmitterDeps {
  readonly bus: Bus;
  readonly pool: LinkPool;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "submitsResent">;
  /** While a node has so many to answer, the next one takes the bus; 16 unless said. */
  readonly linkSubmitsMax?: number | undefined;
}

export class Submitter implements Disposable {
  readonly #deps: SubmitterDeps;
  readonly #acks: EqualTimeouts;
  readonly #silences: EqualTimeouts;

  constructor(deps: SubmitterDeps) {
    this.#deps = deps;
    this.#acks = new EqualTimeouts(deps.clock, ACK_MS);
    this.#silences = new EqualTimeouts(deps.clock, SILENT_AGENT_MS);
  }

  /**
   * The answers of an accepted submission are for who asked to dispose.
   * @param caller answers what the request calls from there; undefined: it calls nothing
   * @throws the signal's reason; what the agent answers `failed` with; ServingError RESOURCE_EXHAUSTED when the body is too large.
   */
  async submit(body: SubmitBody, target: NodeTarget, signal: AbortSignal, caller?: Caller): Promise<Submission> {
    let pooled: PooledLink;
    try {
      pooled = this.#deps.pool.known(target) ?? (await this.#deps.pool.get(target, signal));
    } catch (thrown) {
      return unreachable(thrown, false, signal);
    }
    signal.throwIfAborted();
    const number = pooled.takeNumber();
    const submit = encodeSubmit({ session: pooled.link.session, number, body });
    const stream = pooled.link.open(number, "tokens");
    const attached = caller && pooled.calls.expect(number, caller);
    const answers = new AnswerStream({ stream, node: target.node, signal, attached });
    const takeBackSilence = this.#silences.add(() =>
      answers.fail(new ServingError("UNAVAILABLE", `node ${target.node} did not answer within ${SILENT_AGENT_MS} ms: try again`)),
    );
    const takeBackAck = this.#send(submit, answers, target, pooled);
    pooled.unanswered += 1;
    let first: AnswerFrame | undefined;
    let kept = false;
    try {
      first = await answers.next();
      kept = first?.kind === "accepted";
    } catch (thrown) {
      return unreachable(thrown, true, signal);
    } finally {
      pooled.unanswered -= 1;
      takeBackAck();
      takeBackSilence();
      if (!kept) {
        if (first !== undefined) answers.end();
        answers[Symbol.dispose]();
      }
    }
    return answered(first, answers, target);
  }

  [Symbol.dispose](): void {
    this.#acks[Symbol.dispose]();
    this.#silences[Symbol.dispose]();
  }

  /** @returns what takes the second way back. */
  #send(submit: Uint8Array, answers: AnswerStream, { node }: NodeTarget, { unanswered }: PooledLink): () => void {
    const { bus, metrics, linkSubmitsMax = LINK_SUBMITS_MAX } = this.#deps;
    const overLink = () => answers.write(submitFrames(submit));
    if (unanswered < linkSubmitsMax || !bus.connected || submit.byteLength > Math.min(BUS_SUBMIT_BYTES_MAX, bus.payloadBytesMax)) {
      overLink();
      return () => {};
    }
    bus.publish(SUBJECTS.submit(node), submit);
    return this.#acks.add(() => {
      metrics.submitsResent.inc({});
      overLink();
    });
  }
}

function answered(first: AnswerFrame | undefined, answers: AnswerStream, { node }: NodeTarget): Submission {
  switch (first?.kind) {
    case "accepted":
      return { kind: "accepted", queued: first.queued, answers };
    case "refused":
      return { kind: "refused", reason: first.reason, message: first.message };
    case "failed":
      throw failureOf(first);
    case "tokens":
    case "finished":
    case "part":
    case "response":
    case "failed-response":
    case undefined:
      throw new ServingError("INTERNAL", `node ${node} answered with ${first?.kind ?? "nothing"} before it accepted`);
  }
}

function unreachable(thrown: unknown, sent: boolean, signal: AbortSignal): Submission {
  signal.throwIfAborted();
  const error = ServingError.from(thrown);
  if (error.code !== "UNAVAILABLE") throw error;
  return { kind: "unreachable", sent, error };
}
