/** The repository contract on every adapter, then what is special to the folder. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { folderRepository } from "../../core/repository/folder.ts";
import { memoryRepository } from "../../core/repository/memory.ts";
import { type Models, repositoryContract } from "./repository.ts";

const roots: string[] = [];
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))));

async function folderOf(models: Models): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), "nereid-repository-"));
  roots.push(root);
  for (const [model, files] of Object.entries(models)) {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, model, name)), { recursive: true });
      await writeFile(path.join(root, model, name), content);
    }
  }
  return root;
}

describe("memory", () => {
  repositoryContract(async (models) => {
    const held = new Map(Object.entries(models).map(([model, files]) => [model, new Map(Object.entries(files))]));
    return { repository: memoryRepository(held), replace: async (model, name, content) => void held.get(model)?.set(name, content) };
  });
});

describe("folder", () => {
  repositoryContract(async (models) => {
    const root = await folderOf(models);
    return { repository: folderRepository(root), replace: (model, name, content) => writeFile(path.join(root, model, name), content) };
  });

  test("links are neither listed nor read, and stray files are no models", async () => {
    const root = await folderOf({ ant: { "1/model.onnx": new Uint8Array(3) }, ".hidden": { a: new Uint8Array(1) } });
    await writeFile(path.join(root, "README.md"), "not a model");
    await symlink("1/model.onnx", path.join(root, "ant", "link.onnx"));
    await symlink("1", path.join(root, "ant", "2"));
    const repository = folderRepository(root);
    expect(await repository.models()).toEqual(["ant"]);
    const files = await repository.model("ant");
    expect(await files.list()).toEqual([{ name: "1/model.onnx", bytes: 3 }]);
    for (const name of ["link.onnx", "2/model.onnx"])
      await expect(files.readRange(name, 0, 1)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
