/** Why a model that asks for labels of nodes is nowhere. Pure. */
import { hasLabels, labelsText, type NodeLabels } from "../../core/node-labels.ts";
import type { NodeView } from "../control/fleet.ts";
import type { DesiredModel } from "./desired.ts";

/** @returns undefined where a node has them, and stays */
export function missingLabels(labels: NodeLabels | undefined, nodes: readonly NodeView[]): string | undefined {
  if (labels === undefined) return undefined;
  const fitting = nodes.filter(({ heartbeat }) => hasLabels(heartbeat.labels, labels));
  if (fitting.some(({ leaving }) => !leaving)) return undefined;
  const text = labelsText(labels);
  const what = fitting.length === 0 ? "no node has" : "only nodes that are being left have";
  return `${what} the labels ${text}: start an agent with --labels ${text}`;
}

/** A version of a whole model that no node holds since none may. */
export interface UnplacedModel {
  readonly model: string;
  readonly version: string;
  readonly reason: string;
}

export function unplacedModels(desired: readonly DesiredModel[], nodes: readonly NodeView[]): readonly UnplacedModel[] {
  const unplaced = new Map<string, UnplacedModel>();
  for (const { replica, model, version, labels } of desired) {
    const reason = missingLabels(labels, nodes);
    if (reason === undefined || nodes.some(({ heartbeat }) => heartbeat.models.some((one) => one.replica === replica))) continue;
    unplaced.set(`${model}/${version}`, { model, version, reason });
  }
  return [...unplaced.values()];
}
