/** `nereid up` with a repository of whole models, in a process of its own and on free ports: what people run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { commandLine, familyOf, residentBytes } from "../../../bench/processes.ts";
import type { ModelStatistics } from "../../../client/answers.ts";
import { HttpClient } from "../../../client/http/http-client.ts";
import { sleep, systemClock } from "../../../core/clock.ts";
import { MAIN, start } from "../../engine/cli/command.ts";
import { shardRunners } from "../../support/cluster.ts";

export interface ModelCluster extends AsyncDisposable {
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** `HOST:PORT`. */
  readonly grpcAddress: string;
  /** `HOST:PORT`. */
  readonly metricsAddress: string;
  readonly client: HttpClient;
  /** Processes that have a whole model open, or are about to. Linux. */
  runnerPids(): readonly number[];
  /** Processes that have a stage of a language model open. Linux. */
  shardPids(): readonly number[];
  /** Of the command and all that it has started. Linux. */
  residentBytes(): number;
  /** What /metrics says. */
  metrics(): Promise<string>;
  /** Of a model's only version. */
  statistics(model: string): Promise<ModelStatistics>;
  /** Ends it. @returns all that it has logged */
  stop(): Promise<string>;
}

/** Resolves when all models of the repository are ready; with `--model-control-mode explicit` at once. */
export async function startModelCluster(
  repositoryFolder: string,
  flags: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<ModelCluster> {
  const cache = mkdtempSync(path.join(tmpdir(), "nereid-cache-"));
  const all = {
    "--model": "none",
    "--models": repositoryFolder,
    "--cache": cache,
    "--port": "0",
    "--grpc-port": "0",
    "--metrics-port": "0",
    "--log-level": "silent",
    ...flags,
  };
  const command = start([MAIN, "up", ...Object.entries(all).flat()], environment);
  const said = await command.printed("Ctrl-C\n");
  const url = /HTTP +(http:\/\/[^ /]+)/.exec(said)?.[1] ?? "";
  const metricsUrl = /metrics +(\S+)/.exec(said)?.[1] ?? "";
  const client = new HttpClient(url);
  return {
    url,
    grpcAddress: /gRPC +([^ ]+)/.exec(said)?.[1] ?? "",
    metricsAddress: /\/\/([^/]+)/.exec(metricsUrl)?.[1] ?? "",
    client,
    metrics: async () => (await fetch(metricsUrl)).text(),
    runnerPids: () => runnersBelow(command.child.pid),
    shardPids: () => shardRunners(command.child.pid),
    residentBytes: () => familyOf(command.child.pid ?? 0).reduce((sum, id) => sum + residentBytes(id), 0),
    async statistics(model) {
      const [only] = await client.statistics(model);
      if (only === undefined) throw new Error(`no statistics of ${model}`);
      return only;
    },
    async stop() {
      command.child.kill("SIGINT");
      return (await command.ended).stderr;
    },
    [Symbol.asyncDispose]: async () => {
      await client.close();
      command.child.kill("SIGINT"); // killed, it could not remove its sockets
      await command.ended;
      rmSync(cache, { recursive: true, force: true });
    },
  };
}

function runnersBelow(pid: number | undefined): readonly number[] {
  if (pid === undefined) return [];
  return familyOf(pid).filter((id) => /runners\/(?:onnx\/main\.ts|python\/main\.py)/.test(commandLine(id)?.join(" ") ?? ""));
}

const NEVER = new AbortController().signal;

/** Asks again and again until the answer is as wanted; the test's own timeout is the limit. */
export async function eventually<T>(ask: () => T | Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    await sleep(systemClock, 20, NEVER);
  }
}
