/** Models are found in the repository, and uploads under the digest of what they are. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelName } from "../../../../core/ids.ts";
import { seededRandom } from "../../../../core/random.ts";
import { ModelSources } from "../../../../core/repository/model-sources.ts";

const M = modelName("m");
const bytes = (text: string) => new TextEncoder().encode(text);

let folder: string;
let sources: ModelSources;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "nereid-sources-"));
  mkdirSync(path.join(folder, "repository", "m", "1"), { recursive: true });
  writeFileSync(path.join(folder, "repository", "m", "1", "model.onnx"), "repository's");
  const [repositoryFolder, uploadsFolder] = [path.join(folder, "repository"), path.join(folder, "uploads")];
  sources = new ModelSources({ repositoryFolders: [repositoryFolder], uploadsFolder, random: seededRandom(5n) });
});
afterEach(() => rmSync(folder, { recursive: true }));

const uploads = () => (existsSync(path.join(folder, "uploads")) ? readdirSync(path.join(folder, "uploads")) : []);

describe("the repository's files", () => {
  test("are those of the model's folder", async () => {
    const files = await sources.files(M, "");
    expect(await files.list()).toEqual([{ name: "1/model.onnx", bytes: 12 }]);
    expect(await sources.find(M, "")).toMatchObject({ kind: "folder", folder: path.join(folder, "repository", "m") });
    expect(await sources.names()).toEqual(["m"]);
  });

  test("of a model that is not there are refused by its name", async () => {
    await expect(sources.files(modelName("x"), "")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "there is no model 'x' in the repository",
    });
    await expect(sources.files(M, "0".repeat(32))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("several repositories", () => {
  test("are one, but for models that two of them have", async () => {
    for (const model of ["m", "n"]) {
      mkdirSync(path.join(folder, "second", model, "1"), { recursive: true });
      writeFileSync(path.join(folder, "second", model, "1", "model.onnx"), "second's");
    }
    const repositoryFolders = [path.join(folder, "repository"), path.join(folder, "second")] as const;
    const both = new ModelSources({ repositoryFolders, uploadsFolder: path.join(folder, "uploads"), random: seededRandom(6n) });
    expect(await both.names()).toEqual(["m", "n"]);
    expect(await both.ambiguous()).toEqual(["m"]);
    expect(await both.find(modelName("n"), "")).toMatchObject({ folder: path.join(folder, "second", "n") });
    await expect(both.files(M, "")).rejects.toThrow("model appears in two or more repositories");
    rmSync(path.join(folder, "second", "m"), { recursive: true });
    expect(await (await both.files(M, "")).list()).toEqual([{ name: "1/model.onnx", bytes: 12 }]);
  });
});

describe("uploaded files", () => {
  test("are found again under their source, and nothing else is there", async () => {
    const source = await sources.save(
      M,
      new Map([
        ["1/model.onnx", bytes("a")],
        ["1/weights/part", bytes("b")],
      ]),
    );
    expect(readFileSync(path.join(folder, "uploads", source, "m", "1", "weights", "part"), "utf8")).toBe("b");
    expect((await (await sources.files(M, source)).list()).map(({ name }) => name)).toEqual(["1/model.onnx", "1/weights/part"]);
    expect(uploads()).toEqual([source]);
  });

  test("are kept once, whatever their order and however many send them at a time", async () => {
    const [a, b] = [
      ["1/a", bytes("a")],
      ["1/b", bytes("b")],
    ] as const;
    const saved = await Promise.all([sources.save(M, new Map([a, b])), sources.save(M, new Map([b, a])), sources.save(M, new Map([a, b]))]);
    expect(new Set(saved).size).toBe(1);
    expect(uploads()).toEqual([saved[0]]);
  });

  test("of other content, other names or another model have another source", async () => {
    const sent = [
      [M, "1/a", "x"],
      [M, "1/a", "y"],
      [M, "1/b", "x"],
      [M, "2/a", "x"],
      [modelName("n"), "1/a", "x"],
    ] as const;
    const saved = await Promise.all(sent.map(([model, name, content]) => sources.save(model, new Map([[name, bytes(content)]]))));
    expect(new Set(saved).size).toBe(sent.length);
  });

  test.each(["../1/a", "1/../../a", "/etc/passwd", "1//a", "a", "1/.", "1/a\\b", "1/\0", `1/${"a".repeat(300)}`])(
    "with the path %j are refused, and nothing is written",
    async (name) => {
      await expect(sources.save(M, new Map([[name, bytes("x")]]))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(uploads()).toEqual([]);
    },
  );

  test("are limited in number", async () => {
    const files = new Map(Array.from({ length: 257 }, (_, index) => [`1/${index}`, bytes("")]));
    await expect(sources.save(M, files)).rejects.toThrow("257 files are uploaded, at most 256 are taken");
  });

  test("that cannot be written leave nothing half done", async () => {
    const clash = new Map([
      ["1/a", bytes("file")],
      ["1/a/b", bytes("below a file")],
    ]);
    await expect(sources.save(M, clash)).rejects.toThrow();
    expect(uploads()).toEqual([]);
  });
});
