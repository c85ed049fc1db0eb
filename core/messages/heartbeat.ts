/** What an agent says of itself, twice a second and at every change. Gateways fold it into their fleet. */
import { type Static, Type } from "typebox";

/** A shard on its way: fetching the checkpoint, cutting, opening; then open; or failed, with the reason. */
export const ShardState = Type.Union([
  Type.Object({ kind: Type.Literal("cutting"), /** 0 to 1. */ progress: Type.Number() }),
  Type.Object({ kind: Type.Literal("opening") }),
  /** Open at `address`; `epoch` is the last one it was connected in, 0 before the first. */
  Type.Object({
    kind: Type.Literal("open"),
    runner: Type.String(),
    address: Type.String(),
    epoch: Type.Integer(),
    residentBytes: Type.Number(),
  }),
  /** Its runner died; another one is started after a pause. */
  Type.Object({ kind: Type.Literal("restarting"), reason: Type.String() }),
  Type.Object({ kind: Type.Literal("failed"), reason: Type.String() }),
]);

export const ShardReport = Type.Object({
  replica: Type.String(),
  model: Type.String(),
  version: Type.String(),
  stage: Type.Integer(),
  stages: Type.Integer(),
  firstLayer: Type.Integer(),
  endLayer: Type.Integer(),
  quantization: Type.String(),
  state: ShardState,
});

/** For how long the oldest request has waited, where any does and its engine knows. */
const QUEUED_MS = Type.Optional(Type.Number());

/** What the lead of a replica says. */
export const ReplicaReport = Type.Object({
  replica: Type.String(),
  model: Type.String(),
  version: Type.String(),
  epoch: Type.Integer(),
  /** Ready: a canary token has passed through every stage of this epoch. */
  ready: Type.Boolean(),
  slots: Type.Integer(),
  busySlots: Type.Integer(),
  queued: Type.Integer(),
  queuedMs: QUEUED_MS,
  contextLength: Type.Integer(),
  /** Digest of the text bundle, to be fetched over the link. */
  textDigest: Type.String(),
});

/** A version of a whole model that this node hosts. */
export const ModelReport = Type.Object({
  replica: Type.String(),
  model: Type.String(),
  version: Type.String(),
  state: Type.Union([
    Type.Object({
      kind: Type.Literal("loading"),
      /** Of its files, where another node has them: 0 to 1. */ fetched: Type.Optional(Type.Number()),
    }),
    /** Ready: every instance is open and warm. `view` is the digest of what clients may know of it, to be fetched over the link. */
    Type.Object({ kind: Type.Literal("ready"), view: Type.String() }),
    Type.Object({ kind: Type.Literal("failed"), reason: Type.String() }),
    /** What runs is finished, nothing new is taken. */
    Type.Object({ kind: Type.Literal("draining") }),
  ]),
  inFlight: Type.Integer(),
  queued: Type.Integer(),
  queuedMs: QUEUED_MS,
  /** It holds sequences that no store has: elsewhere they would be lost. */
  pinned: Type.Optional(Type.Boolean()),
});

export const Heartbeat = Type.Object({
  node: Type.String(),
  /** Differs for every start of the agent. */
  incarnation: Type.String(),
  /** Counts up; a late heartbeat is dropped. */
  sequence: Type.Integer(),
  /** Where gateways dial. */
  link: Type.String(),
  /** Where last stages dial. */
  wire: Type.String(),
  cpu: Type.String(),
  /** What the machine is, as its operator says; none unless given. */
  labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** Of the placement that it obeys: the highest that it has heard. */
  fence: Type.Optional(Type.Integer()),
  /** The node is to be left: nothing new is placed here, and what is here moves away. */
  draining: Type.Optional(Type.Boolean()),
  /** The last heartbeat of all. */
  gone: Type.Optional(Type.Boolean()),
  memoryTotalBytes: Type.Number(),
  memoryFreeBytes: Type.Number(),
  shards: Type.Array(ShardReport),
  replicas: Type.Array(ReplicaReport),
  models: Type.Array(ModelReport),
});

export type ShardState = Static<typeof ShardState>;
export type ShardReport = Static<typeof ShardReport>;
export type ReplicaReport = Static<typeof ReplicaReport>;
export type ModelReport = Static<typeof ModelReport>;
export type Heartbeat = Static<typeof Heartbeat>;
