/** The contracts of placement's part of the store on what needs no server, then the file's own promises. */
import { execFile } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../../core/random.ts";
import { fileWantedModels } from "../../core/store/placement/file.ts";
import { MemoryPlacementStore } from "../../core/store/placement/memory.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { placementLeaseContract } from "./placement-lease.ts";
import { load, losingWantedModelsContract, wantedModelsContract } from "./wanted-models.ts";

const memoryStore = (clock = new FakeClock()) => new MemoryPlacementStore({ clock, random: seededRandom(5n) });
const nothing = async () => {};

describe("the lease in memory", () => {
  placementLeaseContract(async () => {
    const clock = new FakeClock();
    const store = memoryStore(clock);
    return {
      connect: async () => store.lease,
      pass: async (ms) => clock.advance(ms),
      wipe: async () => store.wipe(),
      [Symbol.asyncDispose]: nothing,
    };
  });
});

describe("wanted models in memory", () => {
  losingWantedModelsContract(async () => {
    const store = memoryStore();
    return {
      connect: async () => store.wantedModels,
      wipe: async () => store.wipe(),
      keep: async () => {
        const setBack = store.keep();
        return async () => setBack();
      },
      [Symbol.asyncDispose]: nothing,
    };
  });

  test("a store that is away says so", async () => {
    const store = memoryStore();
    store.setAway(true);
    await expect(store.wantedModels.read(undefined)).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "store_unavailable" });
    await expect(store.lease.release("a", 1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("wanted models in a file", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "nereid-wanted-"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const openFile = () => fileWantedModels(path.join(folder, "deep", "wanted.jsonl"), memoryStore().wantedModels);

  wantedModelsContract(async () => {
    const store = await openFile();
    return { connect: async () => store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
  });

  const entriesAfterRestart = async () => {
    await using store = await openFile();
    return (await store.read(undefined))?.entries;
  };
  const wanted = (number: number) => ({ current: load(number), gone: [] });

  test("are there again after a restart, with their versions", async () => {
    {
      await using store = await openFile();
      await store.change("a", 0, wanted(1));
      await store.change("a", 1, wanted(2));
      await store.change("b", 0, wanted(1));
    }
    expect(await entriesAfterRestart()).toEqual(
      new Map([
        ["a", { version: 2, wanted: wanted(2) }],
        ["b", { version: 1, wanted: wanted(1) }],
      ]),
    );
  });

  test("go on when a disk that was full has room again: what was cut off is no part of the file", async () => {
    const file = path.join(folder, "deep", "wanted.jsonl");
    const fill = `
      const { fileWantedModels } = await import(${JSON.stringify(new URL("../../core/store/placement/file.ts", import.meta.url).href)});
      const { MemoryPlacementStore } = await import(${JSON.stringify(new URL("../../core/store/placement/memory.ts", import.meta.url).href)});
      const { systemClock: clock } = await import(${JSON.stringify(new URL("../../core/clock.ts", import.meta.url).href)});
      const { systemRandom: random } = await import(${JSON.stringify(new URL("../../core/random.ts", import.meta.url).href)});
      const store = await fileWantedModels(${JSON.stringify(file)}, new MemoryPlacementStore({ clock, random }).wantedModels);
      const gone = (bytes) => ({ gone: [{ version: "1", reason: "x".repeat(bytes) }] });
      await store.change("a", 0, gone(1_500));
      await store.change("b", 0, gone(1_500)).catch(({ code }) => console.log(code));
      await store.change("c", 0, gone(100));`;
    const args = ["-c", 'ulimit -f 2; exec "$0" --input-type=module -e "$1"', process.execPath, fill];
    const { stdout } = await promisify(execFile)("bash", args);
    expect(stdout.trim()).toBe("UNAVAILABLE");
    expect([...((await entriesAfterRestart())?.keys() ?? [])]).toEqual(["a", "c"]);
  });

  test("survive a last line that a crash cut off, at every byte of it", async () => {
    {
      await using store = await openFile();
      await store.change("a", 0, wanted(1));
    }
    const file = path.join(folder, "deep", "wanted.jsonl");
    const whole = await readFile(file);
    for (const bytes of [1, 20, whole.length - 1]) {
      await writeFile(file, whole);
      await appendFile(file, whole.subarray(0, bytes));
      expect((await entriesAfterRestart())?.get("a")?.version).toBe(1);
      expect(await readFile(file)).toEqual(whole);
    }
  });

  test("do not let the file grow for ever", async () => {
    {
      await using store = await openFile();
      for (let version = 0; version < 100; version++) await store.change("a", version, wanted(version + 1));
    }
    expect((await entriesAfterRestart())?.get("a")?.version).toBe(100);
    const lines = (await readFile(path.join(folder, "deep", "wanted.jsonl"), "utf8")).trim().split("\n");
    expect(lines.length).toBe(1);
  });

  test("in a file that is something else are refused, and the file stays as it is", async () => {
    const file = path.join(folder, "notes.txt");
    await writeFile(file, "dear diary\n");
    await expect(fileWantedModels(file, memoryStore().wantedModels)).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    expect(await readFile(file, "utf8")).toBe("dear diary\n");
  });
});
