/** The cutter of a real node: runs the partitioner as a process of its own, so that its memory goes back when it is done. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert, isErrorCode, ServingError } from "../../core/errors.ts";
import { type ModelName, modelName } from "../../core/ids.ts";
import { parseShardDescription } from "../../core/model/shard-description.ts";
import type { AskFiles } from "../../core/repository/peer.ts";
import { answerChild } from "../files/answer-child.ts";
import type { CutRequest, CutShard, Cutter } from "./cutter.ts";
import { Turns } from "./turns.ts";

const PROGRAM = fileURLToPath(new URL("../../partitioner/main.ts", import.meta.url));

export interface PartitionerCutterOptions {
  /** Where the model's files are. @throws ServingError NOT_FOUND */
  readonly find: (model: ModelName) => Promise<CutSource>;
  /** Where shards are kept between starts. */
  readonly cacheFolder: string;
}

/** A folder of this machine, or whoever answers what is asked of the model's files. */
export type CutSource = { readonly kind: "folder"; readonly folder: string } | { readonly kind: "peer"; readonly ask: AskFiles };

interface Outcome {
  readonly folder: string;
  readonly text: string;
}

/** At most one cut a core at a time: each keeps one busy. Others wait their turn. */
export function partitionerCutter(options: PartitionerCutterOptions): Cutter {
  const turns = new Turns(availableParallelism());
  return {
    async cut(request, onProgress, signal): Promise<CutShard> {
      const outcome = await inTurn(turns, () => runPartitioner(options, request, onProgress, signal), signal);
      const description = parseShardDescription(await readFile(path.join(outcome.folder, "shard.json"), "utf8"));
      return { folder: outcome.folder, description, text: await readFile(outcome.text) };
    },
  };
}

async function inTurn<T>(turns: Turns, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  using _turn = await turns.take(signal);
  return await work();
}

async function runPartitioner(
  options: PartitionerCutterOptions,
  request: CutRequest,
  onProgress: (progress: number) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const { model, version, stage, stages, quantization } = request;
  const source = await options.find(modelName(model));
  const flags = {
    ...(source.kind === "folder" ? { "--model-folder": source.folder } : { "--model": model }),
    "--version": version,
    "--stage": String(stage),
    "--stages": String(stages),
    "--quantization": quantization,
    "--out": options.cacheFolder,
  };
  return await new Promise((resolve, reject) => {
    const child = startPartitioner(Object.entries(flags).flat(), source, signal);
    const { stdout, stderr } = child;
    assert(stdout !== null && stderr !== null, "a partitioner has pipes");
    let outcome: Outcome | undefined;
    let failure: ServingError | undefined;
    let lastWords = "";
    createInterface({ input: stdout }).on("line", (line) => {
      const message = parseLine(line);
      if (message.kind === "progress") onProgress(message.progress);
      else if (message.kind === "done") outcome = message;
      else if (message.kind === "error") failure = message.error;
    });
    stderr.setEncoding("utf8").on("data", (text: string) => {
      lastWords = (lastWords + text).slice(-2_000);
    });
    child.once("error", reject);
    child.once("close", (code, exitSignal) => {
      if (outcome !== undefined && code === 0) resolve(outcome);
      else
        reject(
          failure ??
            new ServingError("INTERNAL", `the partitioner ended with ${exitSignal ?? `code ${code}`}`, { cause: new Error(lastWords) }),
        );
    });
  });
}

/** One that has no folder to read asks for files over its channel. */
function startPartitioner(flags: readonly string[], source: CutSource, signal: AbortSignal): ChildProcess {
  const isAsked = source.kind === "peer";
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...(isAsked ? ["ipc" as const] : [])];
  const child = spawn(process.execPath, [PROGRAM, ...flags], { stdio, serialization: "advanced", signal });
  if (isAsked) answerChild(child, source.ask);
  return child;
}

type Line =
  | { readonly kind: "progress"; readonly progress: number }
  | ({ readonly kind: "done" } & Outcome)
  | { readonly kind: "error"; readonly error: ServingError }
  | { readonly kind: "other" };

function parseLine(line: string): Line {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { kind: "other" };
  }
  if (typeof value !== "object" || value === null) return { kind: "other" };
  if ("progress" in value && typeof value.progress === "number") return { kind: "progress", progress: value.progress };
  if ("folder" in value && typeof value.folder === "string" && "text" in value && typeof value.text === "string") {
    return { kind: "done", folder: value.folder, text: value.text };
  }
  if ("error" in value && typeof value.error === "object" && value.error !== null) {
    const { code, message } = value.error as { code?: unknown; message?: unknown };
    return { kind: "error", error: new ServingError(isErrorCode(code) ? code : "INTERNAL", String(message)) };
  }
  return { kind: "other" };
}
