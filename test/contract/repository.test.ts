/** The repository contract on every adapter, then what is special to the folder. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { MemoryLinks } from "../../core/link/memory.ts";
import { systemRandom } from "../../core/random.ts";
import { answerFiles } from "../../core/repository/answer-files.ts";
import { folderRepository } from "../../core/repository/folder.ts";
import { memoryRepository } from "../../core/repository/memory.ts";
import { ModelSources } from "../../core/repository/model-sources.ts";
import { peerRepository } from "../../core/repository/peer.ts";
import { CallDesk } from "../../gateway/serving/call-desk.ts";
import { Gateways } from "../../node-agent/calls/gateways.ts";
import { CallLine } from "../../node-agent/calls/link-upcalls.ts";
import { GatewayFiles } from "../../node-agent/files/gateway-files.ts";
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

  test("links are neither listed as files nor read, and stray files are no models", async () => {
    const root = await folderOf({ ant: { "1/model.onnx": new Uint8Array(3) }, ".hidden": { a: new Uint8Array(1) } });
    await writeFile(path.join(root, "README.md"), "not a model");
    await symlink("1/model.onnx", path.join(root, "ant", "link.onnx"));
    await symlink("1", path.join(root, "ant", "2"));
    const repository = folderRepository(root);
    expect(await repository.models()).toEqual(["ant"]);
    const files = await repository.model("ant");
    expect(await files.list()).toEqual([{ name: "1/model.onnx", bytes: 3 }]);
    expect(await files.links?.()).toEqual(["2", "link.onnx"]);
    for (const name of ["link.onnx", "2/model.onnx"])
      await expect(files.readRange(name, 0, 1)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("peer", () => {
  /** An agent whose gateway has the models, with a link between them. */
  async function besideGateway(models: Models) {
    const root = await folderOf(models);
    const sources = new ModelSources({ repositoryFolders: [root], uploadsFolder: path.join(root, ".uploads"), random: systemRandom });
    const links = new MemoryLinks({ clock: systemClock, random: systemRandom });
    const gateways = new Gateways();
    const agentFiles = new GatewayFiles(gateways, systemClock);
    const listener = await links.listen((link) => gateways.join(new CallLine(link), link.closed));
    const link = await links.dial(listener.address, new AbortController().signal);
    new CallDesk(link, (request) => answerFiles(request, sources));
    return { root, repository: peerRepository(agentFiles.ask) };
  }

  repositoryContract(async (models) => {
    const { root, repository } = await besideGateway(models);
    return { repository, replace: (model, name, content) => writeFile(path.join(root, model, name), content) };
  });

  test("what is read of a file is of one content: one that has changed is refused until it is looked at anew", async () => {
    const { root, repository } = await besideGateway({ ant: { "1/model.onnx": new Uint8Array(3) } });
    const files = await repository.model("ant");
    expect(await files.readRange("1/model.onnx", 0, 1)).toEqual(Uint8Array.of(0));
    await writeFile(path.join(root, "ant/1/model.onnx"), "other");
    await expect(files.readRange("1/model.onnx", 1, 1)).rejects.toMatchObject({ code: "ABORTED" });
    await files.digest("1/model.onnx");
    expect(await files.readRange("1/model.onnx", 0, 1)).toEqual(new TextEncoder().encode("o"));
  });

  test("ranges of any length come whole, though no message holds them", async () => {
    const content = Uint8Array.from({ length: 9 * 1024 * 1024 + 5 }, (_, index) => (index * 31) % 251);
    const { repository } = await besideGateway({ ant: { "1/model.onnx": content } });
    const read = await (await repository.model("ant")).readRange("1/model.onnx", 1, content.byteLength - 1);
    expect(Buffer.compare(read, content.subarray(1))).toBe(0);
  });
});
