/** Answers of the generate extension: one object, or one event for each piece of text. */
import { ServingError } from "../../../core/errors.ts";
import type { EventIds } from "../../http/resumable-stream.ts";
import type { TextEvent } from "../../serving/generation/text-generation.ts";
import { errorFrame } from "../error-frame.ts";

export interface GenerateHead {
  readonly id?: string;
  readonly model_name: string;
  readonly model_version: string;
}

export interface GenerateAnswer extends GenerateHead {
  readonly text_output: string;
}

/** @throws ServingError what ends the events; INTERNAL when they end before the text has. */
export async function wholeText(events: AsyncIterable<TextEvent>): Promise<string> {
  const texts: string[] = [];
  let finished = false;
  for await (const event of events) {
    if (event.kind === "delta") texts.push(event.text);
    if (event.kind === "finished") finished = true;
  }
  if (!finished) throw endedEarly();
  return texts.join("");
}

/** A failure becomes the last event; there is no `[DONE]`, and nothing is sent for the end. */
export async function* generateFrames(head: GenerateHead, events: AsyncIterable<TextEvent>, ids?: EventIds): AsyncGenerator<string> {
  const start = `data: ${JSON.stringify(head).slice(0, -1)},"text_output":`;
  let finished = false;
  try {
    for await (const event of events) {
      const encoded = event.kind === "delta" && event.text !== "" ? `${start}${JSON.stringify(event.text)}}\n\n` : "";
      const frames = ids === undefined ? encoded : ids.frames(event, encoded);
      if (frames !== "") yield frames;
      if (event.kind === "finished") finished = true;
    }
    if (!finished) throw endedEarly();
  } catch (thrown) {
    yield errorFrame(ServingError.from(thrown));
  }
}

function endedEarly(): ServingError {
  return new ServingError("INTERNAL", "the generation ended early");
}
