/** What placement tells an agent. Every command may come twice and in any order of replicas: agents compare, they do not count. */
import { type Static, Type } from "typebox";
import { REPLICA_SETTINGS } from "./replica-settings.ts";

/** Host this shard: fetch, cut, open. Answered by the shard's state in the heartbeat. */
export const LoadShard = Type.Object({
  kind: Type.Literal("load"),
  replica: Type.String(),
  model: Type.String(),
  version: Type.String(),
  stage: Type.Integer({ minimum: 0 }),
  stages: Type.Integer({ minimum: 1 }),
  ...REPLICA_SETTINGS,
});

/** Which runner stands at which stage, from this epoch on. Sent to every agent of the replica. */
export const ConnectReplica = Type.Object({
  kind: Type.Literal("connect"),
  replica: Type.String(),
  epoch: Type.Integer({ minimum: 1 }),
  /** By stage. */
  stages: Type.Array(Type.Object({ runner: Type.String(), address: Type.String() }), { minItems: 1 }),
  /** The lead's wire. */
  lead: Type.String(),
});

/** Host a version of a whole model: open its instances and warm them up. Answered by the model's state in the heartbeat. */
export const LoadModel = Type.Object({
  kind: Type.Literal("load-model"),
  replica: Type.String(),
  model: Type.String(),
  version: Type.String(),
  /** Empty: the repository's files; else the digest of the files that a load call brought along. */
  source: Type.String(),
  /** A whole configuration as JSON instead of the file's; empty: the file's. */
  config: Type.String(),
  /** How the models are loaded that an ensemble is composed of, and theirs. */
  members: Type.Optional(Type.Array(Type.Object({ model: Type.String(), source: Type.String(), config: Type.String() }))),
});

/** Give the memory of shards or of a whole model back, once what runs there has ended. */
export const UnloadReplica = Type.Object({
  kind: Type.Literal("unload"),
  replica: Type.String(),
  /** Of this stage alone; all that is here unless said. */
  stage: Type.Optional(Type.Integer({ minimum: 0 })),
  /** It is ready elsewhere: what is being generated here goes on there. */
  handsOver: Type.Optional(Type.Boolean()),
});

export const Control = Type.Union([LoadShard, ConnectReplica, LoadModel, UnloadReplica]);

/** As it travels. A placement that was replaced has a lower fence than the one that has taken over: what it still sends is dropped. */
export const ControlMessage = Type.Object({ fence: Type.Integer({ minimum: 0 }), control: Control });

export type LoadShard = Static<typeof LoadShard>;
export type LoadModel = Static<typeof LoadModel>;
export type ConnectReplica = Static<typeof ConnectReplica>;
export type UnloadReplica = Static<typeof UnloadReplica>;
export type Control = Static<typeof Control>;
export type ControlMessage = Static<typeof ControlMessage>;
