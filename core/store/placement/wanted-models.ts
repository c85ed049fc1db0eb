/**
 * What somebody wants the cluster to serve, and of its nodes: one entry per model and per node with a version that counts up, changed by
 * compare-and-set. Entries stay when a model is unloaded, so that its numbers are never used twice. Adapters: `memory.ts`, `file.ts`, `redis.ts`; all pass
 * `test/contract/wanted-models.ts`.
 */
import { type Static, Type } from "typebox";
import { REPLICA_SETTINGS } from "../../messages/replica-settings.ts";

const LanguageSettings = Type.Object({
  /** 0: as few as fit. */
  stages: Type.Integer({ minimum: 0 }),
  ...REPLICA_SETTINGS,
});

/** One load of a model: what of it is to be served, and from what. */
const WantedLoad = Type.Object({
  /** Counts up with every load of the model; part of its replicas' ids. */
  number: Type.Integer({ minimum: 1 }),
  /** Equal for loads that would give the same. */
  fingerprint: Type.String(),
  versions: Type.Array(Type.String()),
  /** By version, equal for loads that would give the same of it. */
  digests: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** Of versions that went on serving when the model was loaded anew, since nothing of them had changed: the number of their own load. */
  kept: Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: 1 }))),
  /** Empty: the repository's files; else the digest of the files that a load call brought along. */
  source: Type.String(),
  /** A whole configuration as JSON instead of the file's; empty: the file's. */
  config: Type.String(),
  /** Only with `config`: the digest of the file that it stands for; it does so until that changes. */
  configDigest: Type.Optional(Type.String()),
  /** Replicas of each version. */
  copies: Type.Integer({ minimum: 1 }),
  /** Only where their number follows the queue: between these. */
  copiesMin: Type.Optional(Type.Integer({ minimum: 1 })),
  copiesMax: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Bytes of the model's files: what placement knows before anybody has opened them; 0: unknown. */
  bytes: Type.Number({ minimum: 0 }),
  /** Of the nodes that it may be on, as its configuration asks. */
  labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** A request asked for it: it may be unloaded for another one. */
  onDemand: Type.Optional(Type.Boolean()),
  /** Only of ensembles: the models that it calls, and the number of the load that each had when the ensemble was checked against it. */
  members: Type.Optional(Type.Array(Type.Object({ model: Type.String(), number: Type.Integer({ minimum: 0 }) }))),
  /** Nobody but an ensemble has asked for it: it may go when the ensemble does. */
  asMember: Type.Optional(Type.Boolean()),
  /** Only of models that are cut over nodes. */
  language: Type.Optional(LanguageSettings),
});

const Gone = Type.Object({ version: Type.String(), reason: Type.String() });

export const WantedModel = Type.Object({
  /** Serves. */
  current: Type.Optional(WantedLoad),
  /** Takes over when all of it is ready. */
  next: Type.Optional(WantedLoad),
  /** The last load that failed, and why, by version. */
  failed: Type.Optional(Type.Object({ number: Type.Integer(), versions: Type.Array(Gone) })),
  /** Versions that are not there any more, and why. */
  gone: Type.Array(Gone),
});

/** A node that nobody has said anything of has no entry. */
export const WantedNode = Type.Object({
  /** Nothing is to be there any more, and nothing comes. */
  leaving: Type.Boolean(),
});

export type LanguageSettings = Static<typeof LanguageSettings>;
export type WantedLoad = Static<typeof WantedLoad>;
export type WantedModel = Static<typeof WantedModel>;

export type WantedNode = Static<typeof WantedNode>;

interface Entry<Wanted> {
  /** 1 for the first. */
  readonly version: number;
  readonly wanted: Wanted;
}
export type WantedEntry = Entry<WantedModel>;
export type WantedNodeEntry = Entry<WantedNode>;

export interface WantedSnapshot {
  /** Random; another one: the store was emptied. */
  readonly incarnation: string;
  /** Counts up with every change; a lower one than before: the store was set back. */
  readonly revision: number;
  /** By model. */
  readonly entries: ReadonlyMap<string, WantedEntry>;
  /** By node. */
  readonly nodes: ReadonlyMap<string, WantedNodeEntry>;
}

export interface WantedModels {
  /** All entries, or undefined when nothing has changed since `known`. @throws ServingError UNAVAILABLE */
  read(known: Pick<WantedSnapshot, "incarnation" | "revision"> | undefined): Promise<WantedSnapshot | undefined>;
  /**
   * Replaces the entry if it has `expected` as its version (0: there is none).
   * @returns false when somebody else was faster
   * @throws ServingError UNAVAILABLE; then it may have been made
   */
  change(model: string, expected: number, wanted: WantedModel): Promise<boolean>;
  /** The same for what is wanted of a node. */
  changeNode(node: string, expected: number, wanted: WantedNode): Promise<boolean>;
  /** Puts back what a store that was emptied or set back has lost; entries with a higher version stay. @throws ServingError UNAVAILABLE */
  restore(snapshot: WantedSnapshot): Promise<void>;
}
