/** Checkpoints that cannot be served: `nereid up` says why in one line, ends, and starts nothing that stays. */
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAIN, REAL_MODEL, run } from "../engine/cli/command.ts";

const MEBIBYTE = 2 ** 20;
/** SmolLM2's own, and one that no memory holds: 256 slots of it are some 12 TB of keys and values. */
const CONTEXT_LENGTH = 8_192;
const ABSURD_LENGTH = 2 ** 20;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "nereid-damaged-"));
  await mkdir(path.join(root, "models/damaged/1"), { recursive: true });
});
afterEach(() => rm(root, { recursive: true }));

async function failureOf(file: Uint8Array, ...flags: readonly string[]): Promise<string> {
  await writeFile(path.join(root, "models/damaged/1/model.gguf"), file);
  const folders = ["--models", path.join(root, "models"), "--cache", path.join(root, "cache")];
  const { code, stderr } = await run([
    MAIN,
    "up",
    "--port",
    "0",
    "--grpc-port",
    "0",
    "--metrics-port",
    "0",
    "--log-level",
    "silent",
    ...folders,
    "--model",
    "damaged",
    ...flags,
  ]);
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(/^nereid: [^\n]+\n$/);
  return stderr;
}

/** The first bytes of the real file. */
async function beginning(byteLength: number): Promise<Uint8Array> {
  await using file = await open(REAL_MODEL);
  const bytes = new Uint8Array(byteLength);
  await file.read(bytes);
  return bytes;
}

describe("nereid up ends with one line", () => {
  test.each([
    ["its header", 100],
    ["its metadata", 100_000],
    ["its tensors", 40 * MEBIBYTE],
  ])("when a checkpoint ends in the middle of %s", async (_, byteLength) => {
    const said = await failureOf(await beginning(byteLength));
    expect(said).toContain("load failed for model 'damaged': ");
    expect(said).toMatch(/truncated|damaged|ends|incomplete|short/);
    expect(said).not.toContain("unexpected error");
  });

  test("when the memory does not hold what the settings ask for", async () => {
    const file = await readFile(REAL_MODEL);
    const key = file.indexOf("llama.context_length") + "llama.context_length".length;
    expect(file.readUInt32LE(key + 4)).toBe(CONTEXT_LENGTH); // behind the value's type
    file.writeUInt32LE(ABSURD_LENGTH, key + 4);
    const said = await failureOf(file, "--nodes", "1", "--slots", "256");
    expect(said).toMatch(/needs about \d{6,} MiB of memory and \d+ MiB are free: use fewer slots, a shorter context length/);
  });
});
