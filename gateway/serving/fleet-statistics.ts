/** Statistics of models, gathered from every node that hosts them and added up. */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { decodeJson } from "../../core/messages/json-message.ts";
import { type NodeModelStatistics, NodeStatistics } from "../../core/messages/model-statistics.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Fleet } from "../control/fleet.ts";
import type { NodeTarget } from "./link-pool.ts";
import type { ModelStatistics, ModelStatisticsSource, StatisticDuration } from "./model-catalog.ts";
import type { ModelViews } from "./model-views.ts";
import type { Submitter } from "./submit.ts";
import { wholeAnswer } from "./whole-answer.ts";

/** A node that does not answer in time is left out. */
const GATHER_MS_MAX = 500;
const STATISTICS_BYTES_MAX = 16 * 1024 * 1024;

export interface FleetStatisticsDeps {
  readonly fleet: Pick<Fleet, "models">;
  readonly views: Pick<ModelViews, "served">;
  readonly submitter: Submitter;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class FleetStatistics implements ModelStatisticsSource {
  readonly #deps: FleetStatisticsDeps;

  constructor(deps: FleetStatisticsDeps) {
    this.#deps = deps;
  }

  async statistics(name: string | undefined, version: number | undefined, signal: AbortSignal): Promise<readonly ModelStatistics[]> {
    const served = this.#deps.views.served().filter(({ model }) => matches(model, name, version));
    if (name !== undefined && served.length === 0) throw this.#unknown(name);
    const nodes = new Map<string, NodeTarget>(this.#deps.fleet.models().map((hosted) => [hosted.node, hosted]));
    const told = await Promise.all([...nodes.values()].map((node) => this.#ask(node, name ?? "", signal)));
    const byVersion = new Map<string, NodeModelStatistics[]>();
    for (const { model } of served) byVersion.set(`${model.name}/${model.version}`, []);
    for (const one of told.flat()) byVersion.get(`${one.model}/${one.version}`)?.push(one);
    return [...byVersion.entries()]
      .map(([key, parts]) => sum(key, parts))
      .toSorted((a, b) => (a.name === b.name ? Number(a.version) - Number(b.version) : a.name < b.name ? -1 : 1));
  }

  /** Triton's texts (extensions.md section 1). */
  #unknown(name: string): ServingError {
    const isServed = this.#deps.views.served().some(({ model }) => model.name === name);
    const text = isServed ? `requested model version is not available for model '${name}'` : `requested model '${name}' is not available`;
    return new ServingError("INVALID_ARGUMENT", text, { reason: "model_not_found" });
  }

  async #ask(target: NodeTarget, model: string, signal: AbortSignal): Promise<readonly NodeModelStatistics[]> {
    const { clock, submitter, logger } = this.#deps;
    using limit = deadlineSignal(clock, GATHER_MS_MAX, signal);
    try {
      const submission = await submitter.submit({ kind: "statistics", model }, target, limit.signal);
      if (submission.kind !== "accepted") return [];
      using answers = submission.answers;
      return decodeJson(NodeStatistics, await wholeAnswer(answers, { what: "statistics", bytesMax: STATISTICS_BYTES_MAX }));
    } catch (thrown) {
      signal.throwIfAborted();
      logger.warn({ err: ServingError.from(thrown), node: target.node }, "a node's statistics are missing");
      return [];
    }
  }
}

function matches(
  model: { readonly name: string; readonly version: string },
  name: string | undefined,
  version: number | undefined,
): boolean {
  return (name === undefined || model.name === name) && (version === undefined || model.version === String(version));
}

type Field = "success" | "fail" | "queue" | "computeInput" | "computeInfer" | "computeOutput" | "cacheHit" | "cacheMiss";

function sum(key: string, parts: readonly NodeModelStatistics[]): ModelStatistics {
  const split = key.lastIndexOf("/");
  const count = (of: (part: NodeModelStatistics) => number) => BigInt(parts.reduce((total, part) => total + of(part), 0));
  const duration = (field: Field) => addUp(parts.map((part) => part[field]));
  const sizes = [...new Set(parts.flatMap(({ batches }) => batches.map(({ size }) => size)))].toSorted((a, b) => a - b);
  return {
    name: key.slice(0, split),
    version: key.slice(split + 1),
    lastInferenceMs: BigInt(Math.max(0, ...parts.map(({ lastInferenceMs }) => lastInferenceMs))),
    inferenceCount: count(({ inferenceCount }) => inferenceCount),
    executionCount: count(({ executionCount }) => executionCount),
    durations: {
      success: duration("success"),
      fail: duration("fail"),
      queue: duration("queue"),
      compute_input: duration("computeInput"),
      compute_infer: duration("computeInfer"),
      compute_output: duration("computeOutput"),
      cache_hit: duration("cacheHit"),
      cache_miss: duration("cacheMiss"),
    },
    batches: sizes.map((size) => {
      const same = parts.flatMap(({ batches }) => batches.filter((batch) => batch.size === size));
      return {
        batchSize: BigInt(size),
        computeInput: addUp(same.map(({ computeInput }) => computeInput)),
        computeInfer: addUp(same.map(({ computeInfer }) => computeInfer)),
        computeOutput: addUp(same.map(({ computeOutput }) => computeOutput)),
      };
    }),
  };
}

function addUp(durations: readonly (readonly [count: number, ns: number])[]): StatisticDuration {
  return durations.reduce<StatisticDuration>((sum, [count, ns]) => ({ count: sum.count + BigInt(count), ns: sum.ns + BigInt(ns) }), {
    count: 0n,
    ns: 0n,
  });
}
