/** How a child process asks its parent for model files: values that the channel between them clones. Pure. */
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { FilesRequest } from "./model-files.ts";

const ChildAsks = Type.Object({ number: Type.Integer(), request: FilesRequest });
/** `answer` is an encoded answer frame. */
const ParentAnswers = Type.Object({ number: Type.Integer(), answer: Type.Unsafe<Uint8Array>(Type.Object({})) });

export type ChildAsks = Static<typeof ChildAsks>;
export type ParentAnswers = Static<typeof ParentAnswers>;

/** undefined: it is something else. */
export const childAsks = (message: unknown): ChildAsks | undefined => (Value.Check(ChildAsks, message) ? message : undefined);
export const parentAnswers = (message: unknown): ParentAnswers | undefined =>
  Value.Check(ParentAnswers, message) && message.answer instanceof Uint8Array ? message : undefined;
