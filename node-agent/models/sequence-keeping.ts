/** Which of a node's sequences are kept in the store for other nodes, and how. */
import { ServingError } from "../../core/errors.ts";
import { sequenceOwner } from "../../core/messages/sequence-step.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import type { Random } from "../../core/random.ts";
import type { SequenceStore } from "../../core/store/sequences/sequence-store.ts";
import type { SequenceDurability, SequenceLogs } from "../engines/sequence/sequence-log.ts";

/** The model configuration's parameter. */
const PARAMETER = "sequence_state";

export interface SequenceStorage {
  readonly store: SequenceStore;
  /** For models that do not say. */
  readonly durability: SequenceDurability;
}

/** What a node knows of itself and of the store. */
export interface SequenceKeeping extends SequenceStorage {
  readonly node: string;
  /** Of the agent: another one for each start. */
  readonly incarnation: string;
  readonly random: Random;
}

/** @throws ServingError INVALID_ARGUMENT when the model's configuration asks for what there is not */
export function sequenceDurability(
  { name, scheduler, parameters }: ModelConfiguration,
  storage: SequenceStorage | undefined,
): SequenceDurability {
  const text = parameters.get(PARAMETER);
  if (scheduler.kind !== "sequence" || scheduler.iterative) return { kind: "none" };
  if (text === undefined) return storage?.durability ?? { kind: "none" };
  const durability = parseDurability(text);
  if (durability === undefined) {
    throw new ServingError(
      "INVALID_ARGUMENT",
      `model '${name}': parameter ${PARAMETER} is '${text.slice(0, 40)}', it may be none, sync or every:N`,
    );
  }
  if (durability.kind !== "none" && storage === undefined) {
    throw new ServingError("INVALID_ARGUMENT", `model '${name}' asks for ${PARAMETER} ${text}, but this node has no store of sequences`);
  }
  return durability;
}

/** undefined: it is none of `none`, `sync`, `every:N`. */
export function parseDurability(text: string): SequenceDurability | undefined {
  if (text === "none" || text === "sync") return { kind: text };
  const steps = Number(/^every:([1-9]\d{0,8})$/.exec(text)?.[1] ?? 0);
  return steps > 0 ? { kind: "every", steps } : undefined;
}

/** Beyond its idle time nobody takes a sequence up, unless its node was away meanwhile. */
const TTL_MARGIN_MS = 60_000;

/** @param replica as loaded, with its number */
export function sequenceLogs(
  configuration: ModelConfiguration,
  keeping: SequenceKeeping | undefined,
  replica: string,
): SequenceLogs | undefined {
  const durability = sequenceDurability(configuration, keeping);
  const { scheduler } = configuration;
  if (keeping === undefined || durability.kind === "none" || scheduler.kind !== "sequence") return undefined;
  const { store, random } = keeping;
  const every = durability.kind === "sync" ? 1 : durability.steps;
  const [model = "", version = ""] = replica.split("/"); // another load of it goes on with its sequences
  return {
    store,
    random,
    scope: `${model}/${version}`,
    owner: sequenceOwner({ replica, ...keeping }),
    every,
    ttlMs: (scheduler.idleUs / 1000) * every + TTL_MARGIN_MS,
  };
}
