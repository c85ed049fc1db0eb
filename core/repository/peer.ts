/**
 * Models that another node has, asked for piece by piece. What is read of a file is of one content, whichever node answers: every
 * range is asked for with the digest that the file had first, and a node that has another content refuses.
 */
import { ServingError } from "../errors.ts";
import { decodeJson } from "../messages/json-message.ts";
import { FILE_PIECE_BYTES, FileDigest, FileList, type FilesRequest, NameList } from "../messages/model-files.ts";
import { checkRange } from "./range.ts";
import type { ModelFiles, Repository } from "./repository.ts";

/** @throws ServingError what the node that has the files answers; UNAVAILABLE when nobody does, NOT_FOUND (`model_not_found`) when nobody has them */
export type AskFiles = (request: FilesRequest) => Promise<Uint8Array>;

export function peerRepository(ask: AskFiles): Repository {
  return {
    models: async () => decodeJson(NameList, await ask({ ask: "models" })),
    async model(name) {
      const files = peerModelFiles(ask, name, "");
      await files.list();
      return files;
    },
  };
}

export function peerModelFiles(ask: AskFiles, model: string, source: string): ModelFiles {
  /** By name, as they were first asked for. */
  const pinned = new Map<string, string>();
  const digest = async (name: string): Promise<string> => {
    const told = decodeJson(FileDigest, await ask({ ask: "digest", model, source, name }));
    pinned.set(name, told);
    return told;
  };
  return {
    digest,
    list: async () => decodeJson(FileList, await ask({ ask: "list", model, source })),
    async readRange(name, offset, length) {
      checkRange({ name, offset, length, fileBytes: Number.POSITIVE_INFINITY });
      const content = pinned.get(name) ?? (await digest(name));
      const bytes = new Uint8Array(length);
      let read = 0;
      do {
        const pieceBytes = Math.min(length - read, FILE_PIECE_BYTES);
        const piece = await ask({ ask: "range", model, source, name, offset: offset + read, length: pieceBytes, digest: content });
        if (piece.byteLength !== pieceBytes) {
          throw new ServingError("DATA_LOSS", `${piece.byteLength} bytes of '${name}' came where ${pieceBytes} were asked for`);
        }
        bytes.set(piece, read);
        read += pieceBytes;
      } while (read < length);
      return bytes;
    },
  };
}
