/** What every adapter of the repository port promises; `repository.test.ts` runs it on each. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Repository } from "../../core/repository/repository.ts";

/** Files by model and name, before the repository is opened. */
export type Models = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

/** A repository over `models`; `replace` changes one file afterwards. */
export interface OpenedRepository {
  readonly repository: Repository;
  replace(model: string, name: string, content: Uint8Array): Promise<void>;
}

const text = (content: string) => new TextEncoder().encode(content);
const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");
const weights = Uint8Array.from({ length: 10_000 }, (_, index) => (index * 31) % 251);
const MODELS: Models = {
  zebra: { "config.pbtxt": text("name: 'zebra'"), "1/model.gguf": weights, "1/parts/b.bin": text("b"), "10/empty": new Uint8Array() },
  ant: { "1/model.onnx": text("onnx") },
};

export function repositoryContract(open: (models: Models) => Promise<OpenedRepository>): void {
  test("models and their files are listed by name", async () => {
    const { repository } = await open(MODELS);
    expect(await repository.models()).toEqual(["ant", "zebra"]);
    expect(await (await repository.model("zebra")).list()).toEqual([
      { name: "1/model.gguf", bytes: 10_000 },
      { name: "1/parts/b.bin", bytes: 1 },
      { name: "10/empty", bytes: 0 },
      { name: "config.pbtxt", bytes: 13 },
    ]);
  });

  test("a range holds exactly the bytes asked for, in memory of its own", async () => {
    const files = await (await open(MODELS)).repository.model("zebra");
    const range = await files.readRange("1/model.gguf", 17, 1_000);
    expect(range).toEqual(weights.subarray(17, 1_017));
    expect(range.buffer.byteLength).toBe(1_000);
    range.fill(0);
    expect(await files.readRange("1/model.gguf", 17, 1_000)).toEqual(weights.subarray(17, 1_017));
    expect(await files.readRange("10/empty", 0, 0)).toEqual(new Uint8Array());
    expect(await files.readRange("1/model.gguf", 10_000, 0)).toEqual(new Uint8Array());
  });

  test.each([
    ["past the end", 9_999, 2, "OUT_OF_RANGE"],
    ["starting past the end", 10_001, 0, "OUT_OF_RANGE"],
    ["of a negative offset", -1, 1, "INVALID_ARGUMENT"],
    ["of a negative length", 0, -1, "INVALID_ARGUMENT"],
    ["of a broken number", 0.5, 1, "INVALID_ARGUMENT"],
    ["above 256 MiB", 0, 256 * 1024 * 1024 + 1, "INVALID_ARGUMENT"],
  ])("a range %s is refused", async (_, offset, length, code) => {
    const files = await (await open(MODELS)).repository.model("zebra");
    await expect(files.readRange("1/model.gguf", offset, length)).rejects.toMatchObject({ code });
  });

  test.each([
    "2/model.gguf",
    "1",
    "",
    ".",
    "..",
    "../ant/1/model.onnx",
    "1/../config.pbtxt",
    "/etc/hostname",
    "1//model.gguf",
    "1/model.gguf/x",
    "a\0b",
  ])("there is no file %j", async (name) => {
    const files = await (await open(MODELS)).repository.model("zebra");
    await expect(files.readRange(name, 0, 0)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(files.digest(name)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test.each(["cat", "", "..", "zebra/1"])("there is no model %j", async (name) => {
    const { repository } = await open(MODELS);
    await expect(repository.model(name)).rejects.toMatchObject({ code: "NOT_FOUND", reason: "model_not_found" });
  });

  test("a digest is the sha256 of the content, and follows the content", async () => {
    const opened = await open(MODELS);
    const files = await opened.repository.model("zebra");
    const first = await Promise.all([files.digest("1/model.gguf"), files.digest("1/model.gguf")]);
    expect(first).toEqual([sha256(weights), sha256(weights)]);
    const other = text("another content");
    await opened.replace("zebra", "1/model.gguf", other);
    expect(await files.digest("1/model.gguf")).toBe(sha256(other));
    expect(await files.digest("10/empty")).toBe(sha256(new Uint8Array()));
  });
}
