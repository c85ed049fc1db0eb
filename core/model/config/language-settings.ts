/** How a language model is to be run, from its configuration's parameters and instance groups. Pure. */
import type { ModelConfig } from "../../../protos/gen/model_config_pb.ts";
import { ServingError } from "../../errors.ts";
import { LABELS_ALLOWED, type NodeLabels, parseLabels } from "../../node-labels.ts";
import { QUANTIZATIONS, type Quantization } from "../shard-description.ts";

export const LANGUAGE_BACKEND = "llm";

export interface LanguageModelSettings {
  /** 0: as few as fit. */
  readonly stages: number;
  readonly quantization: Quantization | "auto";
  /** Generations that run at once. */
  readonly slots: number;
  /** 0: all that the model has. */
  readonly contextLength: number;
  /** Of each shard's runner; 0: the node's share. */
  readonly threads: number;
  /** Positions that free slots may keep for prompts that begin alike; one slot's unless said, 0: none. */
  readonly prefixCacheTokens?: number;
  /** Whether resumable generations are written down; as each node does unless said. */
  readonly journal?: boolean;
}

const SLOTS = 8;

/** @throws ServingError INVALID_ARGUMENT naming the parameter and what is allowed */
export function languageSettings(config: ModelConfig): LanguageModelSettings {
  const text = (name: string) => config.parameters[name]?.stringValue;
  const whole = (
    name: string,
    limits: { readonly min: number; readonly max: number; readonly fallback: number; readonly auto?: number },
  ) => {
    const value = text(name);
    if (value === undefined) return limits.fallback;
    if (value === "auto" && limits.auto !== undefined) return limits.auto;
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= limits.min && number <= limits.max) return number;
    throw wrong(config, { name, value, allowed: `${limits.min} to ${limits.max}${limits.auto === undefined ? "" : ", or auto"}` });
  };
  const quantization = text("quantization") ?? "auto";
  const known = (["auto", ...QUANTIZATIONS] as const).find((one) => one === quantization);
  if (known === undefined) throw wrong(config, { name: "quantization", value: quantization, allowed: `auto, ${QUANTIZATIONS.join(", ")}` });
  const journal = text("journal");
  if (journal !== undefined && journal !== "on" && journal !== "off")
    throw wrong(config, { name: "journal", value: journal, allowed: "on or off" });
  return {
    quantization: known,
    stages: whole("pipeline_stages", { min: 1, max: 64, fallback: 0, auto: 0 }),
    slots: whole("slots", { min: 1, max: 4096, fallback: SLOTS }),
    contextLength: whole("context_length", { min: 16, max: 1_048_576, fallback: 0, auto: 0 }),
    threads: whole("threads", { min: 1, max: 256, fallback: 0, auto: 0 }),
    ...(text("prefix_cache_tokens") !== undefined && {
      prefixCacheTokens: whole("prefix_cache_tokens", { min: 0, max: 1_073_741_824, fallback: 0 }),
    }),
    ...(journal !== undefined && { journal: journal === "on" }),
  };
}

const COPIES_MAX = 64;

/**
 * Replicas of each version: what the instance groups of a language model count, or `replicas` of a model that one process holds, whose
 * instances share a node.
 * @throws ServingError INVALID_ARGUMENT
 */
export function copiesOf(config: ModelConfig): number {
  if (config.backend === LANGUAGE_BACKEND) {
    const count = config.instanceGroup.reduce((sum, group) => sum + (group.passive ? 0 : Math.max(1, group.count)), 0);
    return Math.min(COPIES_MAX, Math.max(1, count));
  }
  const value = config.parameters["replicas"]?.stringValue ?? "1";
  const copies = /^\d+$/.test(value) ? Number(value) : 0;
  if (copies >= 1 && copies <= COPIES_MAX) return copies;
  throw wrong(config, { name: "replicas", value, allowed: `1 to ${COPIES_MAX}` });
}

export interface CopiesRange {
  readonly copies: number;
  readonly copiesMin?: number;
  readonly copiesMax?: number;
}

/**
 * Replicas at first; with `max_replicas` their number follows the queue, not below `min_replicas`, which is what `copiesOf` says unless given.
 * @throws ServingError INVALID_ARGUMENT
 */
export function copiesRange(config: ModelConfig): CopiesRange {
  const copies = copiesOf(config);
  const copiesMin = replicaLimit(config, "min_replicas") ?? copies;
  const copiesMax = replicaLimit(config, "max_replicas");
  if (copiesMax === undefined) return { copies: Math.max(copies, copiesMin) };
  if (copiesMin > copiesMax) {
    const value = config.parameters["max_replicas"]?.stringValue ?? "";
    throw wrong(config, { name: "max_replicas", value, allowed: `${copiesMin} to ${COPIES_MAX}, no less than the fewest` });
  }
  return { copies: Math.min(copiesMax, Math.max(copies, copiesMin)), copiesMin, copiesMax };
}

/** Of the nodes that the model may be on (`node_labels`). @throws ServingError INVALID_ARGUMENT */
export function nodeLabels(config: ModelConfig): { readonly labels?: NodeLabels } {
  const value = config.parameters["node_labels"]?.stringValue;
  if (value === undefined) return {};
  const labels = parseLabels(value);
  if (labels === undefined) throw wrong(config, { name: "node_labels", value, allowed: LABELS_ALLOWED });
  return { labels };
}

function replicaLimit(config: ModelConfig, name: string): number | undefined {
  const value = config.parameters[name]?.stringValue;
  if (value === undefined) return undefined;
  const limit = /^\d+$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > COPIES_MAX) throw wrong(config, { name, value, allowed: `1 to ${COPIES_MAX}` });
  return limit;
}

function wrong(config: ModelConfig, { name, value, allowed }: { readonly name: string; readonly value: string; readonly allowed: string }) {
  return new ServingError(
    "INVALID_ARGUMENT",
    `model '${config.name}': parameter '${name}' is ${JSON.stringify(value.slice(0, 100))}: write ${allowed}`,
    {
      param: name,
    },
  );
}
