/** What the console shows: which parts of which model are on which node. Pure. */
import type { NodeLabels } from "../../core/node-labels.ts";
import type { UnplacedModel } from "../placement/missing-labels.ts";
import type { ServedModel } from "../serving/generation/text-generation.ts";

export interface ConsoleNode {
  readonly node: string;
  readonly cpu: string;
  readonly labels?: NodeLabels | undefined;
  readonly memoryTotalBytes: number;
  readonly memoryFreeBytes: number;
  readonly leaving: boolean;
  /** Stages of language models. */
  readonly shards: readonly unknown[];
  /** Whole models. */
  readonly models: readonly { readonly model: string; readonly version: string; readonly state: { readonly kind: string } }[];
}

export interface ConsoleIdentity {
  readonly name: string;
  readonly version: string;
}

export type ConsoleState = ReturnType<typeof consoleState>;

/** @param unplaced whole models that are nowhere, and why */
export function consoleState(
  server: ConsoleIdentity,
  models: readonly ServedModel[],
  nodes: readonly ConsoleNode[],
  unplaced: readonly UnplacedModel[] = [],
) {
  return { server, models: models.map(modelState), nodes: nodes.map(nodeState), unplaced };
}

/** No more than this of a node: its addresses are nobody's business. */
function nodeState({ node, cpu, labels = {}, memoryTotalBytes, memoryFreeBytes, leaving, shards, models }: ConsoleNode) {
  const hosted = models.map(({ model, version, state }) => ({ model, version, state: state.kind }));
  const left = shards.length + models.length === 0 ? "drained" : "draining";
  return { node, state: leaving ? left : "serving", cpu, memoryTotalBytes, memoryFreeBytes, labels, models: hosted };
}

function modelState({ name, version, readiness, contextLength, quantization, shards }: ServedModel) {
  const detail = readiness.kind === "loading" ? readiness.detail : readiness.kind === "failed" ? readiness.reason : "";
  const ordered = shards.toSorted((a, b) => a.stage - b.stage || a.node.localeCompare(b.node));
  return { name, version, state: readiness.kind, detail, contextLength: contextLength ?? null, quantization, shards: ordered };
}
