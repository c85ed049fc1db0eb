/** What a stream's chunks follow from besides its events: kept with a resumable generation, so that any gateway can write them. Pure. */
import { type Static, Type } from "typebox";
import { decodeJson, encodeJson } from "../../core/messages/json-message.ts";
import type { GenerationCall } from "./generation-call.ts";

export const StreamShape = Type.Object({
  endpoint: Type.Union([Type.Literal("chat"), Type.Literal("completion")]),
  createdSeconds: Type.Integer(),
  /** Over all prompts. */
  choices: Type.Integer(),
  logprobs: Type.Boolean(),
  includeUsage: Type.Boolean(),
  /** By choice, what its text begins with; none: nothing. */
  echoed: Type.Array(Type.String()),
});

export type StreamShape = Static<typeof StreamShape>;
export type StreamEndpoint = StreamShape["endpoint"];

export function streamShape(call: GenerationCall, endpoint: StreamEndpoint, createdSeconds: number): StreamShape {
  const { prompts, choices, sampling, includeUsage } = call;
  const logprobs = sampling.topLogprobs !== undefined;
  return { endpoint, createdSeconds, choices: prompts.length * choices, logprobs, includeUsage, echoed: [...echoedTexts(call)] };
}

/** What the text of each choice begins with: its prompt when it is echoed. */
export function echoedTexts({ echo, prompts, choices }: GenerationCall): readonly string[] {
  if (!echo) return [];
  return prompts.flatMap((prompt) => Array.from({ length: choices }, () => (prompt.kind === "text" ? prompt.text : "")));
}

export const shapeText = (shape: StreamShape): string => Buffer.from(encodeJson(shape)).toString();

/** undefined: another door has written it. */
export function readShape(text: string | undefined): StreamShape | undefined {
  try {
    return decodeJson(StreamShape, Buffer.from(text ?? ""));
  } catch {
    return undefined;
  }
}
