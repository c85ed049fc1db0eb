/** Fetched versions have a bound: the ones not used for longest go, and never one that is in use. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../../../core/random.ts";
import { FetchedVersions } from "../../../../core/repository/fetched-versions.ts";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { createLogger } from "../../../../core/telemetry/logger.ts";

const NEVER = new AbortController().signal;
const BYTES = 100;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "nereid-fetched-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const lines: string[] = [];
function keeping(versions: number): FetchedVersions {
  lines.length = 0;
  const logger = createLogger({ level: "info", form: "json", write: (line) => lines.push(line) });
  return new FetchedVersions({ folder, bytesMax: versions * BYTES, random: seededRandom(8n), logger });
}

/** Of one version, of 100 bytes, with another content for each letter. */
const hold = (fetched: FetchedVersions, letter: string) =>
  fetched.hold(memoryModelFiles(new Map([["1/model.onnx", new Uint8Array(BYTES).fill(letter.charCodeAt(0))]])), "1", {
    onProgress: () => {},
    signal: NEVER,
  });

/** As if it had been used at this second. */
async function usedAt(fetched: FetchedVersions, letter: string, second: number): Promise<string> {
  await using held = await hold(fetched, letter);
  utimesSync(held.folder, second, second);
  return path.basename(held.folder);
}

test("the one that was not used for longest goes when another needs its room, with a line of log", async () => {
  const fetched = keeping(2);
  const [a, b] = [await usedAt(fetched, "a", 2), await usedAt(fetched, "b", 1)];
  const c = await usedAt(fetched, "c", 3);
  expect(readdirSync(folder).toSorted()).toEqual([a, c].toSorted());
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ folder: path.join(folder, b), bytes: BYTES }]);
});

test("using one again keeps it", async () => {
  const fetched = keeping(2);
  const [a, b] = [await usedAt(fetched, "a", 1), await usedAt(fetched, "b", 2)];
  await (await hold(fetched, "a"))[Symbol.asyncDispose]();
  const c = await usedAt(fetched, "c", 3);
  expect(readdirSync(folder)).not.toContain(b);
  expect(readdirSync(folder).toSorted()).toEqual([a, c].toSorted());
});

test("what is in use stays, however much it is, until its last user lets go", async () => {
  const fetched = keeping(1);
  const [a, again] = [await hold(fetched, "a"), await hold(fetched, "a")];
  utimesSync(a.folder, 1, 1);
  await using b = await hold(fetched, "b");
  const folders = () => readdirSync(folder).filter((name) => !name.includes("."));
  await a[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
  expect(folders().toSorted()).toEqual([path.basename(a.folder), path.basename(b.folder)].toSorted());
  await again[Symbol.asyncDispose]();
  expect(folders()).toEqual([path.basename(b.folder)]);
});

test("another process's is in use as long as that lives", async () => {
  const fetched = keeping(1);
  const [mine, other] = [await usedAt(fetched, "a", 1), process.ppid];
  const mark = path.join(folder, `${mine}.used-${other}`);
  writeFileSync(mark, "");
  const b = await usedAt(fetched, "b", 2);
  expect(readdirSync(folder)).toContain(mine);
  rmSync(mark);
  writeFileSync(path.join(folder, `${mine}.used-${2 ** 31 - 1}`), "");
  await usedAt(fetched, "b", 2);
  expect(readdirSync(folder)).toEqual([b]);
});

test("what a dead process had begun to fetch is removed", async () => {
  mkdirSync(path.join(folder, "f00d.fetching-x", "1"), { recursive: true });
  const a = await usedAt(keeping(1), "a", 1);
  expect(readdirSync(folder)).toEqual([a]);
});
