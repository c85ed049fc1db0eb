/**
 * One replica without a gateway: token ids in, token ids out. For programs that embed a language model, for tests and
 * benchmarks that measure the engine alone. Real shards, real runner processes, real sockets between the stages.
 */
import path from "node:path";
import { systemClock } from "../core/clock.ts";
import { assert, ServingError } from "../core/errors.ts";
import { generationId, modelName, replicaId } from "../core/ids.ts";
import { type ChoiceToken, type FinishReason, type GenerationSubmit, openChoices } from "../core/messages/generation.ts";
import { GREEDY, type SamplingParameters } from "../core/model/sampling-parameters.ts";
import type { ShardDescription } from "../core/model/shard-description.ts";
import { systemRandom } from "../core/random.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { RunnerHandle } from "../core/wire/runner-handle.ts";
import { socketWire } from "../core/wire/socket.ts";
import { GenerationEngine } from "../node-agent/engines/generation-engine.ts";
import type { GenerationSink } from "../node-agent/engines/generation-sink.ts";
import { partitionerCutter } from "../node-agent/models/partitioner-cutter.ts";
import { processRunners } from "../node-agent/runners/process.ts";

export interface ReplicaOptions {
  readonly repositoryFolder: string;
  readonly cacheFolder: string;
  readonly model: string;
  readonly version: string;
  readonly stages: number;
  /** `auto`, or one of QUANTIZATIONS. */
  readonly quantization: string;
  readonly slots: number;
  readonly contextLength: number;
  /** Of each stage's runner. */
  readonly threads: number;
  /** Positions that free slots may keep for prompts that begin alike; one slot's unless said, 0: none. */
  readonly prefixCacheTokens?: number;
}

export interface GenerateOptions {
  readonly promptIds: readonly number[];
  readonly tokensMax: number;
  readonly sampling?: SamplingParameters;
  readonly choices?: number;
  /** None by default: runs to tokensMax. */
  readonly stopIds?: readonly number[];
  /** Where each choice goes on; only tokens that come after are given. */
  readonly begun?: GenerationSubmit["begun"];
  readonly onToken?: (token: ChoiceToken) => void;
}

export interface Replica extends AsyncDisposable {
  readonly engine: GenerationEngine;
  readonly shards: readonly ShardDescription[];
  readonly runners: readonly RunnerHandle[];
  /** All tokens, in order of choice and position. @throws ServingError what the engine answers; the signal's reason. */
  generate(options: GenerateOptions, signal?: AbortSignal): Promise<readonly ChoiceToken[]>;
}

/** @throws ServingError when a shard cannot be cut, opened or connected. */
export async function startReplica(options: ReplicaOptions, logger: Logger, signal: AbortSignal): Promise<Replica> {
  await using stack = new AsyncDisposableStack();
  const { model, version, stages, quantization, slots, contextLength, threads } = options;
  const prefixCache = options.prefixCacheTokens === undefined ? {} : { prefixCacheTokens: options.prefixCacheTokens };
  const replica = replicaId(modelName(model), version, 0);
  const cutter = partitionerCutter({
    ...options,
    find: async (name) => ({ kind: "folder", folder: path.join(options.repositoryFolder, name) }),
  });
  const wire = stack.use(await socketWire({}));
  const factory = processRunners({ logger });
  const shards: ShardDescription[] = [];
  const runners: RunnerHandle[] = [];
  let decodeRowsMin = 1;
  const addresses: string[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const cut = await cutter.cut({ model, version, stage, stages, quantization }, () => {}, signal);
    const runner = factory.start();
    stack.defer(() => runner.close());
    const opened = await runner.open({ folder: cut.folder, replica, slots, contextLength, threads }, signal);
    decodeRowsMin = Math.max(decodeRowsMin, opened.decodeRowsMin);
    shards.push(cut.description);
    runners.push(runner);
    addresses.push(opened.address);
  }
  const [description] = shards;
  const [first] = addresses;
  assert(description !== undefined && first !== undefined, "a replica has at least one stage");
  const engine = new GenerationEngine(
    { model, stages, slots, contextLength, vocabSize: description.vocabSize, decodeRowsMin, ...prefixCache },
    { clock: systemClock },
  );
  const epoch = 1;
  const joining = wire.join({ replica, epoch, first }, { result: engine.onResult, broken: (error) => engine.broken(error) }, signal);
  await Promise.all(runners.map((runner, stage) => runner.connect({ epoch, next: addresses[stage + 1] ?? wire.address }, signal)));
  const pipeline = await joining;
  engine.attach(pipeline, epoch);
  stack.defer(() => engine.broken(new ServingError("UNAVAILABLE", "the replica is being ended")));
  await engine.canary(signal);
  const running = stack.move();
  return {
    engine,
    shards,
    runners,
    generate: (request, requestSignal) => generate(engine, replica, request, requestSignal),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function generate(
  engine: GenerationEngine,
  replica: string,
  options: GenerateOptions,
  signal?: AbortSignal,
): Promise<readonly ChoiceToken[]> {
  const choices = options.choices ?? 1;
  const request: GenerationSubmit = {
    kind: "generate",
    generation: generationId(systemRandom.id()),
    replica,
    tenant: "public",
    remainingMs: undefined,
    traceparent: "",
    promptIds: Int32Array.from(options.promptIds),
    choices,
    tokensMax: options.tokensMax,
    stopIds: options.stopIds ?? [],
    sampling: options.sampling ?? GREEDY,
    begun: options.begun ?? [],
  };
  return new Promise((resolve, reject) => {
    const tokens: ChoiceToken[] = [];
    let left = openChoices(request).length;
    const sink: GenerationSink = {
      tokens(more) {
        tokens.push(...more);
        if (options.onToken !== undefined) for (const token of more) options.onToken(token);
      },
      finished(_choice: number, _reason: FinishReason) {
        left -= 1;
        if (left > 0) return;
        signal?.removeEventListener("abort", onAbort);
        resolve(tokens.toSorted((a, b) => a.choice - b.choice || a.position - b.position));
      },
      failed: reject,
    };
    const handle = engine.submit(request, sink);
    const onAbort = () => {
      handle.cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
