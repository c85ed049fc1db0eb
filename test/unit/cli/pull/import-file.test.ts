/** A file of the user's own becomes a model under a name. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CacheFolders, cacheFolders } from "../../../../cli/cache.ts";
import { importFile } from "../../../../cli/pull/import-file.ts";

const signal = new AbortController().signal;
let root: string;
let file: string;
let folders: CacheFolders;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "nereid-import-"));
  file = join(root, "mine.gguf");
  await writeFile(file, "GGUF my weights");
  folders = cacheFolders({ cache: join(root, "cache"), models: undefined }, {}, "/nowhere");
});
afterEach(() => rm(root, { recursive: true }));

describe("importing a file", () => {
  test("puts it where the repository looks, without taking space twice", async () => {
    const path = await importFile(file, "mine", folders, signal);
    expect(path).toBe(join(root, "cache", "models", "mine", "1", "model.gguf"));
    expect((await stat(path)).ino).toBe((await stat(file)).ino);
  });

  test("may be repeated", async () => {
    const path = await importFile(file, "mine", folders, signal);
    expect(await importFile(file, "mine", folders, signal)).toBe(path);
    expect(await readFile(path, "utf8")).toBe("GGUF my weights");
  });

  test("does not replace another model of that name", async () => {
    await importFile(file, "mine", folders, signal);
    const other = join(root, "other.gguf");
    await writeFile(other, "GGUF other weights");
    await expect(importFile(other, "mine", folders, signal)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  test("does not take a known model's name for another file", async () => {
    await expect(importFile(file, "smollm2-135m-instruct", folders, signal)).rejects.toThrow("choose another --name");
  });

  test("names what is wrong with the file or the name", async () => {
    await writeFile(file, "PK");
    await expect(importFile(file, "mine", folders, signal)).rejects.toThrow("is no GGUF file");
    await expect(importFile(join(root, "absent.gguf"), "mine", folders, signal)).rejects.toThrow("cannot be read");
    await expect(importFile(file, "../mine", folders, signal)).rejects.toThrow("invalid model name");
  });
});
