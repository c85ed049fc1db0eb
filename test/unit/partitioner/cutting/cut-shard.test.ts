/** Cutting into folders: whole or not at all, the same bytes each time, and found again. */
import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import type { ModelFiles } from "../../../../core/repository/repository.ts";
import { type CutOptions, cachedOrCutShard, cachedShard, cutShard, type ShardRequest } from "../../../../partitioner/cutting/cut-shard.ts";
import { readShardFolder, removeLeftovers } from "../../../../partitioner/cutting/shard-folder.ts";
import { type ShardIdentity, shardKey } from "../../../../partitioner/cutting/shard-key.ts";
import { ggufLlama, huggingFaceFiles, randomWeights, TINY } from "../tiny-llama.ts";

let root = "";
let folders = 0;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "nereid-cut-"));
});
afterAll(() => rm(root, { recursive: true }));

const freshFolder = () => path.join(root, String(folders++));
const random = seededRandom(1n);
const files = huggingFaceFiles(TINY, randomWeights(TINY, 1n));
const request = { files, versionFolder: "1", stage: 0, stages: 2, quantization: "auto" } satisfies ShardRequest;
const options = (onProgress: (share: number) => void = () => {}): CutOptions => ({
  random,
  signal: new AbortController().signal,
  onProgress,
});

async function bytesIn(folder: string): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(folder)).sort();
  const contents = await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name), "base64")] as const));
  return Object.fromEntries(contents);
}

describe("a cut shard", () => {
  test("is described by shard.json beside it", async () => {
    const outFolder = freshFolder();
    const description = await cutShard({ ...request, stage: 1, ...options(), outFolder });
    expect(description).toMatchObject({
      format: 1,
      architecture: "llama",
      quantization: "int8",
      stage: 1,
      stages: 2,
      layers: 3,
      endLayer: 3,
    });
    expect(await readShardFolder(outFolder)).toEqual(description);
    expect((await readdir(outFolder)).sort()).toEqual(["model.onnx", "shard.json", "weights.bin"]);
  });

  test("has the same bytes whoever cuts it, and in whatever order", async () => {
    const [one, other] = [freshFolder(), freshFolder()];
    await Promise.all([cutShard({ ...request, ...options(), outFolder: one }), cutShard({ ...request, ...options(), outFolder: other })]);
    expect(await bytesIn(one)).toEqual(await bytesIn(other));
  });

  test("of a quantized checkpoint keeps its blocks, of a float one becomes int8, when the choice is left open", async () => {
    const gguf = ggufLlama(TINY, 1n, () => "Q8_0").files;
    expect((await cutShard({ ...request, files: gguf, ...options(), outFolder: freshFolder() })).quantization).toBe("native");
    expect((await cutShard({ ...request, ...options(), outFolder: freshFolder() })).quantization).toBe("int8");
  });

  test("reports its progress, rising to 1", async () => {
    const shares: number[] = [];
    await cutShard({ ...request, ...options((share) => shares.push(share)), outFolder: freshFolder() });
    expect(shares.length).toBeGreaterThan(10);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  test.each([
    [{ stage: 2 }, "INVALID_ARGUMENT"],
    [{ stages: 4 }, "INVALID_ARGUMENT"],
    [{ versionFolder: "2" }, "NOT_FOUND"],
    [{ files: huggingFaceFiles(TINY, randomWeights(TINY, 1n), { model_type: "mamba" }) }, "UNIMPLEMENTED"],
    [{ files: huggingFaceFiles(TINY, randomWeights(TINY, 1n), { intermediate_size: 95 }) }, "DATA_LOSS"],
    [{ files: huggingFaceFiles(TINY, randomWeights({ ...TINY, layers: 2 }, 1n), { num_hidden_layers: 3 }) }, "DATA_LOSS"],
  ] as const)("with %o is refused", async (change, code) => {
    const outFolder = freshFolder();
    await expect(cutShard({ ...request, ...change, ...options(), outFolder })).rejects.toMatchObject({ code });
    expect(await readdir(root)).not.toContain(path.basename(outFolder));
  });
});

describe("a cache of shards", () => {
  test("cuts once and then finds; a damaged shard is cut again", async () => {
    const cacheFolder = freshFolder();
    const shares: number[] = [];
    const ask = () => cachedOrCutShard({ ...request, ...options((share) => shares.push(share)), cacheFolder });
    const first = await ask();
    const identity: ShardIdentity = { sourceDigest: first.description.sourceDigest, stage: 0, stages: 2, quantization: "int8" };
    expect(await cachedShard(cacheFolder, identity)).toBe(first.folder);
    expect(await cachedShard(cacheFolder, { ...identity, stage: 1 })).toBeUndefined();
    await truncate(path.join(first.folder, "weights.bin"), 5);
    expect(await cachedShard(cacheFolder, identity)).toBeUndefined();
    const again = await ask();
    expect(again).toEqual(first);
    expect(await cachedShard(cacheFolder, identity)).toBe(first.folder);
    const reported = shares.length;
    expect(await ask()).toEqual(first);
    expect(shares).toHaveLength(reported);
    expect(shares.filter((share) => share === 1)).toHaveLength(2);
  });

  test("many cutters of one shard leave one whole shard and nothing else", async () => {
    const cacheFolder = freshFolder();
    const cut = await Promise.all(Array.from({ length: 6 }, () => cachedOrCutShard({ ...request, ...options(), cacheFolder })));
    expect(new Set(cut.map(({ folder }) => folder)).size).toBe(1);
    expect(await readShardFolder(cut[0]?.folder ?? "")).toEqual(cut[0]?.description);
    expect(await readdir(path.dirname(cut[0]?.folder ?? ""))).toHaveLength(1);
  });

  test("a cut that is stopped, or whose checkpoint fails, leaves nothing behind", async () => {
    const outFolder = path.join(freshFolder(), "shard");
    const controller = new AbortController();
    const stop = new Error("stopped");
    const stopped = cutShard({ ...request, ...options(() => controller.abort(stop)), signal: controller.signal, outFolder });
    await expect(stopped).rejects.toBe(stop);
    const failing: ModelFiles = {
      ...files,
      readRange: (name, offset, length) =>
        length > 4_000 && offset > 9_000 ? Promise.reject(new Error("disk")) : files.readRange(name, offset, length),
    };
    await expect(cutShard({ ...request, files: failing, ...options(), outFolder })).rejects.toThrow("disk");
    expect(await readdir(path.dirname(outFolder))).toEqual([]);
  });

  test("what killed cutters left is removed once nobody writes to it any more", async () => {
    const cacheFolder = freshFolder();
    const { folder } = await cachedOrCutShard({ ...request, ...options(), cacheFolder });
    const [old, young] = [`${folder}.cutting-0a`, `${folder}.cutting-0b`];
    for (const leftover of [old, young]) await cutShard({ ...request, ...options(), outFolder: leftover });
    await utimes(old, 1_000, 1_000);
    await writeFile(`${folder}.cutting-0c`, "no folder");
    await removeLeftovers(path.dirname(folder), 2_000_000);
    const left = (await readdir(path.dirname(folder))).map((name) => name.slice(path.basename(folder).length)).sort();
    expect(left).toEqual(["", ".cutting-0b", ".cutting-0c"]);
  });
});

test("a shard's name changes with everything that changes its bytes", () => {
  const identity: ShardIdentity = { sourceDigest: "ab".repeat(32), stage: 0, stages: 2, quantization: "native" };
  const others: readonly Partial<ShardIdentity>[] = [
    { sourceDigest: "ac".repeat(32) },
    { stage: 1 },
    { stages: 3 },
    { quantization: "int8" },
  ];
  const keys = [identity, ...others.map((change) => ({ ...identity, ...change }))].map(shardKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys[0]).toMatch(/^native-0of2-[0-9a-f]{16}$/);
});
