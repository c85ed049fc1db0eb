/** What a lead keeps for gateways with a resumable generation: all that its ids do not say of its text. Pure. */
import { type Static, Type } from "typebox";
import { ServingError } from "../../core/errors.ts";
import { decodeJson, encodeJson } from "../../core/messages/json-message.ts";
import type { TextRequest } from "./text-generation.ts";

const ResumeNote = Type.Object({
  stop: Type.Array(Type.String()),
  /** The tokens begin a text of their own: a chat's answer. */
  textStart: Type.Boolean(),
  /** The door's. */
  resumable: Type.String(),
});

export type ResumeNote = Static<typeof ResumeNote>;

const decoder = new TextDecoder();

/** undefined: nobody will come back. */
export function noteOf({ prompt, stop, resumable }: TextRequest): string | undefined {
  if (resumable === undefined) return undefined;
  return decoder.decode(encodeJson({ stop: [...stop], textStart: prompt.kind === "chat", resumable } satisfies ResumeNote));
}

/** @throws ServingError INTERNAL when another version of Nereid has written it */
export function readNote(text: string | undefined): ResumeNote {
  try {
    return decodeJson(ResumeNote, new TextEncoder().encode(text));
  } catch (cause) {
    throw new ServingError("INTERNAL", "what was kept of the generation does not fit: send the request again", { cause });
  }
}
