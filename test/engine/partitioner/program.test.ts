/** The partitioner as a process: what it prints, and what it leaves behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeJson } from "../../../core/messages/json-message.ts";
import { parseTextBundle } from "../../../core/model/text-bundle-codec.ts";
import { systemRandom } from "../../../core/random.ts";
import { answerFiles } from "../../../core/repository/answer-files.ts";
import { ModelSources } from "../../../core/repository/model-sources.ts";
import type { AskFiles } from "../../../core/repository/peer.ts";
import { partitionerCutter } from "../../../node-agent/models/partitioner-cutter.ts";
import { readShardFolder } from "../../../partitioner/cutting/shard-folder.ts";
import { realModelFolder } from "../../support/real-model.ts";

const PROGRAM = fileURLToPath(new URL("../../../partitioner/main.ts", import.meta.url));

let root = "";
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "nereid-program-"));
});
afterAll(() => rm(root, { recursive: true }));

const start = (...flags: readonly string[]): ChildProcess =>
  spawn(process.execPath, [PROGRAM, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
const flagsFor = (cache: string, stage: number) => [
  "--model-folder",
  realModelFolder(),
  "--stage",
  String(stage),
  "--stages",
  "3",
  "--out",
  path.join(root, cache),
];

interface Line {
  readonly progress?: number;
  readonly folder?: string;
  readonly text?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** All that it printed, and its exit code. @param onLine called with each line as it comes */
async function outcomeOf(child: ChildProcess, onLine: (line: Line) => void = () => {}): Promise<{ lines: readonly Line[]; code: number }> {
  const lines: Line[] = [];
  if (child.stdout === null) throw new Error("no standard output");
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line: Line = JSON.parse(text);
    lines.push(line);
    onLine(line);
  });
  const [code] = await once(child, "close");
  return { lines, code };
}

describe("the partitioner's program", () => {
  test("prints rising progress, then the shard's folder and the text bundle's file", async () => {
    const { lines, code } = await outcomeOf(start(...flagsFor("one", 1)));
    const progress = lines.slice(0, -1).map((line) => line.progress ?? Number.NaN);
    expect([code, progress.at(-1)]).toEqual([0, 1]);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    const { folder = "", text = "" } = lines.at(-1) ?? {};
    expect(await readShardFolder(folder)).toMatchObject({ architecture: "llama", quantization: "native", stage: 1, stages: 3, layers: 30 });
    expect(parseTextBundle(await readFile(text)).vocabSize).toBe(49_152);
  });

  test("of a model that another node has asks its agent for what the stage needs alone, and cuts the same bytes", async () => {
    const sources = new ModelSources({ repositoryFolders: [path.dirname(realModelFolder())], uploadsFolder: root, random: systemRandom });
    let bytes = 0;
    const ask: AskFiles = async (request) => {
      const answer = await answerFiles(encodeJson(request), sources);
      bytes += answer.byteLength;
      return answer;
    };
    const cutter = partitionerCutter({ cacheFolder: path.join(root, "peer"), find: async () => ({ kind: "peer", ask }) });
    const request = { model: path.basename(realModelFolder()), version: "1", stage: 1, stages: 3, quantization: "native" };
    const cut = await cutter.cut(request, () => {}, new AbortController().signal);
    const beside = path.join(root, "one", path.relative(path.join(root, "peer"), cut.folder));
    for (const file of ["model.onnx", "weights.bin", "shard.json"]) {
      expect((await readFile(path.join(cut.folder, file))).equals(await readFile(path.join(beside, file))), file).toBe(true);
    }
    expect(bytes).toBeLessThan(0.6 * (await stat(path.join(realModelFolder(), "1/model.gguf"))).size);
  });

  test("finds at once what is already cut, also when several ask at the same time", async () => {
    const first = await Promise.all([0, 0, 0].map((stage) => outcomeOf(start(...flagsFor("two", stage)))));
    const again = await outcomeOf(start(...flagsFor("two", 0)));
    expect(again.lines).toHaveLength(1);
    for (const { lines, code } of first) expect([lines.at(-1), code]).toEqual([again.lines[0], 0]);
    const folder = path.dirname(again.lines[0]?.folder ?? "");
    expect(await readdir(folder)).toHaveLength(2);
  });

  test("stopped in the middle, says so and leaves no half a shard", async () => {
    const child = start(...flagsFor("three", 0));
    const { lines, code } = await outcomeOf(child, (line) => {
      if (line.progress !== undefined && !child.killed) child.kill("SIGTERM"); // a second one would end it at once
    });
    expect([code, lines.at(-1)?.error?.code]).toEqual([1, "CANCELLED"]);
    const [source = ""] = await readdir(path.join(root, "three"));
    expect(await readdir(path.join(root, "three", source))).toEqual([]);
  });

  test.each([
    [["--stage", "9"], "INVALID_ARGUMENT"],
    [["--version", "7"], "NOT_FOUND"],
    [["--model-folder", "/nonexistent"], "NOT_FOUND"],
    [["--quantization", "int1"], "INVALID_ARGUMENT"],
  ])("with %j ends with one error that a program can read", async (flags, code) => {
    const outcome = await outcomeOf(start(...flagsFor("four", 0), ...flags));
    expect(outcome.code).toBe(1);
    expect(outcome.lines).toEqual([{ error: { code, message: expect.any(String) } }]);
  });
});
