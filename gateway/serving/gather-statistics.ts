/** Asks every node what the model versions on it have done. */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { decodeJson } from "../../core/messages/json-message.ts";
import { NodeStatistics } from "../../core/messages/model-statistics.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Fleet } from "../control/fleet.ts";
import type { NodeTarget } from "./link-pool.ts";
import type { Submitter } from "./submit.ts";
import { wholeAnswer } from "./whole-answer.ts";

/** A node that does not answer in time is left out. */
const GATHER_MS_MAX = 500;
const STATISTICS_BYTES_MAX = 16 * 1024 * 1024;

export interface GatherDeps {
  readonly fleet: Pick<Fleet, "nodes">;
  readonly submitter: Submitter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** @param model empty: all models. @returns of the nodes that answered. @throws the signal's reason */
export async function gatherStatistics(model: string, deps: GatherDeps, signal: AbortSignal): Promise<readonly NodeStatistics[]> {
  const targets = deps.fleet.nodes().map(({ node, heartbeat }) => ({ node, link: heartbeat.link }));
  const told = await Promise.all(targets.map((target) => ask(target, model, deps, signal)));
  return told.filter((one) => one !== undefined);
}

/** When each model was asked last, at whichever gateway: Unix time in milliseconds. @throws the signal's reason */
export async function lastAsked(deps: GatherDeps, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const last = new Map<string, number>();
  for (const { models } of await gatherStatistics("", deps, signal)) {
    for (const { model, lastInferenceMs } of models) last.set(model, Math.max(last.get(model) ?? 0, lastInferenceMs));
  }
  return last;
}

async function ask(target: NodeTarget, model: string, deps: GatherDeps, signal: AbortSignal): Promise<NodeStatistics | undefined> {
  const { clock, submitter, logger } = deps;
  using limit = deadlineSignal(clock, GATHER_MS_MAX, signal);
  try {
    const submission = await submitter.submit({ kind: "statistics", model }, target, limit.signal);
    if (submission.kind !== "accepted") return undefined;
    using answers = submission.answers;
    return decodeJson(NodeStatistics, await wholeAnswer(answers, { what: "statistics", bytesMax: STATISTICS_BYTES_MAX }));
  } catch (thrown) {
    signal.throwIfAborted();
    logger.warn({ err: ServingError.from(thrown), node: target.node }, "a node's statistics are missing");
    return undefined;
  }
}
