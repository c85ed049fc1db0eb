/**
 * What a node without a model's files asks of one that may have them, over the link: an agent of its gateways, a gateway of agents.
 * Answers are one whole: JSON, or a range's bytes. Pure.
 */
import { type Static, Type } from "typebox";

/** The longest range that is asked for at a time: what either end holds of a file. */
export const FILE_PIECE_BYTES = 4 * 1024 * 1024;
/** No answer is longer. */
export const FILES_ANSWER_BYTES_MAX = 16 * 1024 * 1024;

const OF_MODEL = {
  model: Type.String({ maxLength: 200 }),
  /** Empty: the repository's files; else the digest of the files that a load call brought along. */
  source: Type.String({ pattern: "^([0-9a-f]{32})?$" }),
};
const OF_FILE = { ...OF_MODEL, name: Type.String({ maxLength: 4_096 }) };

export const FilesRequest = Type.Union([
  /** Answered by NameList. */
  Type.Object({ ask: Type.Literal("models") }),
  /** Answered by FileList. */
  Type.Object({ ask: Type.Literal("list"), ...OF_MODEL }),
  /** Answered by the sha256 of the file's content, hexadecimal, in JSON. */
  Type.Object({ ask: Type.Literal("digest"), ...OF_FILE }),
  /** Of the file with this digest and no other content. Answered by its bytes. */
  Type.Object({
    ask: Type.Literal("range"),
    ...OF_FILE,
    offset: Type.Integer({ minimum: 0 }),
    length: Type.Integer({ minimum: 0, maximum: FILE_PIECE_BYTES }),
    digest: Type.String(),
  }),
]);

export const NameList = Type.Array(Type.String());
export const FileList = Type.Array(Type.Object({ name: Type.String(), bytes: Type.Integer({ minimum: 0 }) }));
export const FileDigest = Type.String({ pattern: "^[0-9a-f]{64}$" });

export type FilesRequest = Static<typeof FilesRequest>;

/** A gateway asks an agent; the request is JSON. */
export interface AskFilesRequest {
  readonly kind: "files";
  readonly request: Uint8Array;
}
