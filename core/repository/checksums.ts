/** Checks a model's files as Triton's repository agent `checksum` does, before anything of the model is used. */
import { createHash } from "node:crypto";
import { ServingError } from "../errors.ts";
import type { ExpectedChecksum } from "../model/config/problems/repository-agents.ts";
import type { ModelFiles } from "./repository.ts";

const PIECE_BYTES = 4 * 1024 * 1024;
const REMEMBERED_MAX = 1_000;

export class Checksums {
  /** MD5 by the content's own digest, which costs nothing while a file stays as it is. */
  readonly #known = new Map<string, string>();

  /** @throws ServingError FAILED_PRECONDITION in Triton's words for a file that has another one; NOT_FOUND when it is not there */
  async check(model: string, files: ModelFiles, expected: readonly ExpectedChecksum[]): Promise<void> {
    for (const { file, md5 } of expected) {
      if ((await this.#md5(files, file)) !== md5) {
        throw new ServingError("FAILED_PRECONDITION", `'${model}': Mismatched MD5 hash for file ${file}`, { reason: "checksum" });
      }
    }
  }

  async #md5(files: ModelFiles, file: string): Promise<string> {
    const digest = await files.digest(file);
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const bytes = (await files.list()).find(({ name }) => name === file)?.bytes ?? 0;
    const hash = createHash("md5");
    for (let offset = 0; offset < bytes; offset += PIECE_BYTES) {
      hash.update(await files.readRange(file, offset, Math.min(PIECE_BYTES, bytes - offset)));
    }
    const md5 = hash.digest("hex");
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.set(digest, md5);
    return md5;
  }
}
