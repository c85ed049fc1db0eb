/** Makes a stream's frames: everything that its chunks share is written once. */
import { ServingError } from "../../core/errors.ts";
import type { EventIds } from "../http/resumable-stream.ts";
import type { TextEvent } from "../serving/generation/text-generation.ts";
import type { AnswerHead } from "./answer-head.ts";
import { errorFrame } from "./errors.ts";
import type { Usage } from "./usage.ts";

export const DONE_FRAME = "data: [DONE]\n\n";

/** Turns events into frames; one object per stream. */
export interface ChunkEncoder {
  /** Complete frames; empty when the event says nothing to the client. */
  encode(event: TextEvent): string;
  /** What comes after the last event. @throws ServingError when choices are missing. */
  end(): string;
}

export class ChunkFrames {
  readonly #start: string;
  readonly #end: string;
  readonly #includeUsage: boolean;

  constructor(head: AnswerHead, options: { readonly includeUsage: boolean }) {
    this.#start = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[`;
    this.#end = options.includeUsage ? `],"usage":null}\n\n` : "]}\n\n";
    this.#includeUsage = options.includeUsage;
  }

  /** @param choice one element of `choices`, as JSON. */
  frame(choice: string): string {
    return this.#start + choice + this.#end;
  }

  end(usage: Usage): string {
    return (this.#includeUsage ? `${this.#start}],"usage":${JSON.stringify(usage)}}\n\n` : "") + DONE_FRAME;
  }
}

export interface ChunkOptions {
  /** Names the fields as the endpoint does. */
  readonly toError?: (thrown: unknown) => ServingError;
  /** Of a stream that may be resumed. */
  readonly ids?: EventIds | undefined;
}

/** A failure becomes the last frame, and then there is no `[DONE]`: both of OpenAI's SDKs raise it. */
export async function* chunkFrames(
  events: AsyncIterable<TextEvent>,
  encoder: ChunkEncoder,
  { toError = ServingError.from, ids }: ChunkOptions = {},
): AsyncGenerator<string> {
  try {
    for await (const event of events) {
      const encoded = encoder.encode(event);
      const frames = ids === undefined ? encoded : ids.frames(event, encoded);
      if (frames !== "") yield frames;
    }
    yield encoder.end();
  } catch (thrown) {
    yield errorFrame(toError(thrown));
  }
}
