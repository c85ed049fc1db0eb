/** What a lead keeps for gateways with a resumable generation: all that its ids do not say of its text. Pure. */
import { type Static, Type } from "typebox";
import { ServingError } from "../../../core/errors.ts";
import { decodeJson, encodeJson } from "../../../core/messages/json-message.ts";
import type { ReplicaView } from "../../control/fleet.ts";
import type { TextRequest } from "./text-generation.ts";

const ResumeNote = Type.Object({
  stop: Type.Array(Type.String()),
  /** The tokens begin a text of their own: a chat's answer. */
  textStart: Type.Boolean(),
  /** The door's. */
  resumable: Type.String(),
  /** Where the ids mean what they mean, and are computed alike. */
  textDigest: Type.String(),
  version: Type.String(),
  node: Type.String(),
  cpu: Type.String(),
});

export type ResumeNote = Static<typeof ResumeNote>;

const decoder = new TextDecoder();

/** undefined: nobody will come back. */
export function noteOf({ prompt, stop, resumable }: TextRequest, { textDigest, version, node, cpu }: ReplicaView): string | undefined {
  if (resumable === undefined) return undefined;
  const note: ResumeNote = { stop: [...stop], textStart: prompt.kind === "chat", resumable, textDigest, version, node, cpu };
  return decoder.decode(encodeJson(note));
}

/** @throws ServingError INTERNAL when another version of Nereid has written it */
export function readNote(text: string | undefined): ResumeNote {
  try {
    return decodeJson(ResumeNote, new TextEncoder().encode(text));
  } catch (cause) {
    throw new ServingError("INTERNAL", "what was kept of the generation does not fit: send the request again", { cause });
  }
}
