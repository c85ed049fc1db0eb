/** Every setting of every command. Flags, variables, help and the tables of docs/settings.md are made from these. Pure. */
import { QUANTIZATIONS, type Quantization } from "../../core/model/shard-description.ts";
import { listOf, oneOf, optional, type SettingKind, secret, setting, text, wholeNumber, yesNo } from "../../core/settings.ts";
import { LOG_LEVELS, type LogLevel } from "../../core/telemetry/log-control.ts";
import { CLUSTER_SETTINGS, redisAddress } from "./cluster-settings.ts";
import { DOOR_SETTINGS } from "./door-settings.ts";
import { JOURNAL_SETTINGS } from "./journal-settings.ts";
import { NODE_SETTINGS } from "./node-settings.ts";
import { REPLICA_SETTINGS } from "./replica-settings.ts";
import { exitOnError, fetchedBytes, REPOSITORY_SETTINGS, SOURCE_SETTINGS, strictReadiness } from "./repository-settings.ts";
import { SCHEDULING_SETTINGS } from "./scheduling-settings.ts";
import { EXPORT_SETTINGS, TELEMETRY_SETTINGS } from "./telemetry-settings.ts";

export const DEFAULT_MODEL = "smollm2-135m-instruct";

const serverUrl: SettingKind<string> = {
  allowed: "a URL such as http://127.0.0.1:8000",
  parse: (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url?.protocol === "http:" || url?.protocol === "https:" ? url.href.replace(/\/+$/, "") : undefined;
  },
};

const folder = optional(text("a folder"));
const port = wholeNumber(0, 65_535);

const quantization = setting<Quantization | "auto">({
  kind: oneOf(["auto", ...QUANTIZATIONS]),
  fallback: "auto",
  help: "how weights are held; native keeps a quantized checkpoint's own blocks; auto is native for those, int8 for others",
});
const cache = setting({ kind: folder, fallback: undefined, fallbackText: "~/.cache/nereid", help: "where models and shards are kept" });

const slots = setting({ kind: wholeNumber(1, 4096), fallback: 8, help: "generations that run at once; more wait" });
const contextLength = setting({
  kind: optional(wholeNumber(16, 1_048_576)),
  fallback: undefined,
  fallbackText: "the model's own",
  unit: "tokens",
  help: "longest prompt and answer together",
});
const prefixCacheTokens = setting({
  kind: optional(wholeNumber(0, 1_073_741_824)),
  fallback: undefined,
  fallbackText: "the context length",
  unit: "tokens",
  help: "what each replica keeps of prompts, so that others that begin alike need not compute it; 0 keeps nothing",
});
const host = setting({ kind: text("an address"), fallback: "127.0.0.1", help: "where to listen" });
const migrationLimit = setting({
  kind: wholeNumber(0, 1_000),
  fallback: 3,
  help: "how often in a row, without a token in between, a generation that has lost its node goes on elsewhere; 0: never",
});
const absenceWaitMs = setting({
  kind: wholeNumber(0, 3_600_000),
  fallback: 30_000,
  unit: "ms",
  help: "how long new requests wait for a model of which no copy is there at the moment; 0: not at all",
});
const logLevel = setting<LogLevel>({ kind: oneOf(LOG_LEVELS), fallback: "warn", help: "how much of the log goes to standard error" });
const doorAddresses = {
  host: { ...host, aliases: ["httpAddress"] },
  port: setting({ kind: port, fallback: 8000, aliases: ["httpPort"], help: "port of the HTTP protocols; 0 takes a free one" }),
  grpcPort: setting({ kind: port, fallback: 8001, help: "port of Triton's gRPC API; 0 takes a free one" }),
  metricsPort: setting({ kind: port, fallback: 8002, help: "port of /metrics; 0 takes a free one" }),
};

export const UP_SETTINGS = {
  nodes: setting({ kind: wholeNumber(1, 16), fallback: 2, help: "node agents" }),
  model: setting({
    kind: text("a model name"),
    fallback: DEFAULT_MODEL,
    help: "the language model to serve, or none; fetched when it is known and not there",
  }),
  stages: setting({
    kind: optional(wholeNumber(1, 64)),
    fallback: undefined,
    fallbackText: "one a node",
    help: "pipeline stages that the model's layers are cut into",
  }),
  ...REPLICA_SETTINGS,
  quantization,
  slots,
  contextLength,
  prefixCacheTokens,
  threads: setting({
    kind: optional(wholeNumber(1, 256)),
    fallback: undefined,
    fallbackText: "cores / stages",
    help: "threads of each stage's runner",
  }),
  ...doorAddresses,
  ...DOOR_SETTINGS,
  ...TELEMETRY_SETTINGS,
  ...SCHEDULING_SETTINGS,
  ...SOURCE_SETTINGS,
  ...REPOSITORY_SETTINGS,
  strictReadiness,
  exitOnError,
  rememberModels: setting({
    kind: optional(text("a file")),
    fallback: undefined,
    fallbackText: "none, a restart forgets as Triton's does",
    help: "where the models that clients have loaded are remembered for the next start",
  }),
  migrationLimit,
  absenceWaitMs,
  ...NODE_SETTINGS,
  redisUrl: setting({
    kind: redisAddress,
    fallback: undefined,
    fallbackText: "none: all ends with this process",
    help: "where resumable streams are written down, with --journal on",
  }),
  ...JOURNAL_SETTINGS,
  cache,
  logLevel,
};

export const GATEWAY_SETTINGS = {
  ...CLUSTER_SETTINGS,
  redisUrl: setting({
    kind: redisAddress,
    fallback: undefined,
    fallbackText: "none, for one gateway",
    help: "where gateways agree on what is served and which of them places it",
  }),
  ...JOURNAL_SETTINGS,
  model: setting({ kind: text("a model name"), fallback: "none", help: "a language model to serve in any case, or none" }),
  stages: setting({ kind: wholeNumber(1, 64), fallback: 1, help: "pipeline stages that its layers are cut into" }),
  ...REPLICA_SETTINGS,
  nodes: setting({
    kind: optional(wholeNumber(1, 1024)),
    fallback: undefined,
    fallbackText: "one a stage",
    help: "nodes to wait for before anything is placed",
  }),
  placement: setting({
    kind: yesNo(),
    fallback: true,
    help: "place models on nodes when no other gateway does; false leaves it to others, and needs fewer rights",
  }),
  rebalance: setting({
    kind: yesNo(),
    fallback: true,
    help: "move models to a node that has come, one at a time, until all have about as many",
  }),
  quantization,
  slots,
  contextLength,
  prefixCacheTokens,
  threads: setting({
    kind: optional(wholeNumber(1, 256)),
    fallback: undefined,
    fallbackText: "all of a node",
    help: "threads of each stage's runner",
  }),
  migrationLimit,
  absenceWaitMs,
  ...doorAddresses,
  ...DOOR_SETTINGS,
  ...TELEMETRY_SETTINGS,
  ...SOURCE_SETTINGS,
  ...REPOSITORY_SETTINGS,
  strictReadiness,
  cache,
  stopDelayMs: setting({
    kind: wholeNumber(0, 600_000),
    fallback: 1_000,
    unit: "ms",
    help: "readiness says no for so long before the ports are closed",
  }),
  logLevel,
};

export const AGENT_SETTINGS = {
  ...CLUSTER_SETTINGS,
  node: setting({
    kind: optional(text("a name")),
    fallback: undefined,
    fallbackText: "the host's name",
    help: "this node; no two have one name",
  }),
  host,
  advertiseHost: setting({
    kind: optional(text("a name or an address")),
    fallback: undefined,
    fallbackText: "the host's own address",
    help: "where gateways and other nodes reach this one, where that is not --host",
  }),
  port: setting({ kind: port, fallback: 0, help: "port for gateways' links; 0 takes a free one" }),
  gatewayNames: setting({
    kind: optional(listOf(text("a name, * for any characters, OU= before an organizational unit"))),
    fallback: undefined,
    fallbackText: "whoever --link-tls-ca has signed",
    help: "whose certificates may act as gateways here, by common name, DNS name, URI or organizational unit",
  }),
  metricsPort: setting({
    kind: optional(port),
    fallback: undefined,
    fallbackText: "none",
    help: "port of this agent's own /metrics, in clear: slots, steps and restarts of its runners; 0 takes a free one",
  }),
  redisUrl: setting({
    kind: redisAddress,
    fallback: undefined,
    fallbackText: "none: sequences end with their node",
    help: "where sequences of stateful models are kept, so that another node goes on with them",
  }),
  ...JOURNAL_SETTINGS,
  insecure: setting({ kind: yesNo(), fallback: false, help: "listen where other machines reach it, without TLS of links" }),
  ...SOURCE_SETTINGS,
  ...SCHEDULING_SETTINGS,
  ...NODE_SETTINGS,
  cache,
  fetchedBytes,
  ...EXPORT_SETTINGS,
  logLevel,
};

const askedGateway = {
  url: setting({ kind: serverUrl, fallback: "http://127.0.0.1:8000", help: "a gateway" }),
  apiKey: setting({ kind: optional(secret(text("an API key"))), fallback: undefined, help: "where the gateway asks for one" }),
};

export const STATUS_SETTINGS = {
  ...askedGateway,
  node: setting({
    kind: optional(text("a name")),
    fallback: undefined,
    fallbackText: "all",
    help: "ends with code 1 unless this node is there",
  }),
};

export const DRAIN_SETTINGS = {
  ...askedGateway,
  undo: setting({ kind: yesNo(), fallback: false, help: "the node may take models again" }),
  waitSecs: setting({
    kind: wholeNumber(0, 86_400),
    fallback: 300,
    unit: "s",
    help: "how long to wait until nothing is there any more; 0 does not wait",
  }),
};

export const KEY_SETTINGS = {
  access: setting({
    kind: listOf(oneOf(["inference", "model-read", "control", "metrics"])),
    fallback: ["inference"],
    help: "what the key is for; every key may read what models there are",
  }),
  limits: setting({
    kind: optional(text("requests/min=N,tokens/min=N,tokens/day=N,concurrent=N, or some of them")),
    fallback: undefined,
    fallbackText: "the server's",
    help: "what the key may use",
  }),
  file: setting({ kind: optional(text("a file")), fallback: undefined, help: "the server's --api-keys-file, which gets the key's line" }),
};

export const PULL_SETTINGS = {
  name: setting({
    kind: optional(text("a model name")),
    fallback: undefined,
    fallbackText: "none",
    help: "the name that a file of your own gets",
  }),
  models: SOURCE_SETTINGS.models,
  cache,
};

export const CHAT_SETTINGS = {
  url: setting({ kind: serverUrl, fallback: "http://127.0.0.1:8000", help: "the server to talk to" }),
  model: setting({
    kind: optional(text("a model name")),
    fallback: undefined,
    fallbackText: "the first that is served",
    help: "the model to talk to",
  }),
  system: setting({ kind: optional(text()), fallback: undefined, fallbackText: "the model's own", help: "the system message" }),
  maxTokens: setting({
    kind: wholeNumber(1, 1_048_576),
    fallback: 512,
    unit: "tokens",
    help: "longest answer: small models may never end one",
  }),
};

export const PARTITION_SETTINGS = {
  stages: setting({ kind: wholeNumber(1, 64), fallback: 2, help: "pipeline stages that the model's layers are cut into" }),
  quantization,
  verify: setting({ kind: yesNo(), fallback: false, help: "check afterwards that the shards together are the model" }),
  output: setting({ kind: folder, fallback: undefined, fallbackText: "shards, in the cache", help: "where the shards go" }),
  models: SOURCE_SETTINGS.models,
  cache,
};
