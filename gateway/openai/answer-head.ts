/** What the whole answer and all chunks of a stream say alike. Pure. */
import { assert } from "../../core/errors.ts";
import type { TextEvent } from "../serving/generation/text-generation.ts";

export type Started = Extract<TextEvent, { kind: "started" }>;

export interface AnswerHead {
  readonly id: string;
  readonly object: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

export interface AnswerShape {
  /** `chatcmpl` or `cmpl`. */
  readonly idPrefix: string;
  readonly object: string;
  readonly createdSeconds: number;
  readonly systemFingerprint: string;
}

export function answerHead(started: Started, { idPrefix, object, createdSeconds, systemFingerprint }: AnswerShape): AnswerHead {
  return {
    id: `${idPrefix}-${started.generation}`,
    object,
    created: createdSeconds,
    model: started.model,
    system_fingerprint: systemFingerprint,
  };
}

export function startedOf(event: TextEvent | undefined): Started {
  assert(event?.kind === "started", "a generation begins with `started`");
  return event;
}
