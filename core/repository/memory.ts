/** Models in memory: for tests, and for programs that make their models. */
import { createHash } from "node:crypto";
import { checkRange, fileNotFound, modelNotFound } from "./range.ts";
import type { ModelFiles, Repository } from "./repository.ts";

/** Files by name. The map is read live; bytes must not change in place (replace the array instead). */
export type FilesInMemory = ReadonlyMap<string, Uint8Array>;

export function memoryModelFiles(files: FilesInMemory): ModelFiles {
  const digests = new WeakMap<Uint8Array, string>();
  const find = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) throw fileNotFound(name);
    return bytes;
  };
  return {
    list: async () => [...files].map(([name, { byteLength }]) => ({ name, bytes: byteLength })).sort((a, b) => (a.name < b.name ? -1 : 1)),
    async readRange(name, offset, length) {
      const bytes = find(name);
      checkRange({ name, offset, length, fileBytes: bytes.byteLength });
      return Uint8Array.from(bytes.subarray(offset, offset + length));
    },
    async digest(name) {
      const bytes = find(name);
      const digest = digests.get(bytes) ?? createHash("sha256").update(bytes).digest("hex");
      digests.set(bytes, digest);
      return digest;
    },
  };
}

export function memoryRepository(models: ReadonlyMap<string, FilesInMemory>): Repository {
  return {
    models: async () => [...models.keys()].sort(),
    async model(name) {
      const files = models.get(name);
      if (files === undefined) throw modelNotFound(name);
      return memoryModelFiles(files);
    },
  };
}
