/** Every setting of every command. Flags, variables, help and README's table are made from these. Pure. */
import { QUANTIZATIONS, type Quantization } from "../core/model/shard-description.ts";
import { byteSize, listOf, oneOf, optional, type SettingKind, setting, text, wholeNumber, yesNo } from "../core/settings.ts";
import type { LogLevel } from "../core/telemetry/logger.ts";
import { DOOR_SETTINGS } from "./door-settings.ts";
import { TELEMETRY_SETTINGS } from "./telemetry-settings.ts";

export const DEFAULT_MODEL = "smollm2-135m-instruct";

// Listed again, so that reading settings does not load the logger.
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const satisfies readonly LogLevel[];

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
const models = setting({
  kind: folder,
  fallback: undefined,
  fallbackText: "models, in the cache",
  help: "the model repository, with NAME/1/model.gguf in it",
});

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
  quantization,
  slots: setting({ kind: wholeNumber(1, 4096), fallback: 8, help: "generations that run at once; more wait" }),
  contextLength: setting({
    kind: optional(wholeNumber(16, 1_048_576)),
    fallback: undefined,
    fallbackText: "the model's own",
    unit: "tokens",
    help: "longest prompt and answer together",
  }),
  prefixCacheTokens: setting({
    kind: optional(wholeNumber(0, 1_073_741_824)),
    fallback: undefined,
    fallbackText: "the context length",
    unit: "tokens",
    help: "what each replica keeps of prompts, so that others that begin alike need not compute it; 0 keeps nothing",
  }),
  threads: setting({
    kind: optional(wholeNumber(1, 256)),
    fallback: undefined,
    fallbackText: "cores / stages",
    help: "threads of each stage's runner",
  }),
  host: setting({ kind: text("an address"), fallback: "127.0.0.1", help: "where to listen" }),
  port: setting({ kind: port, fallback: 8000, help: "port of the HTTP protocols; 0 takes a free one" }),
  grpcPort: setting({ kind: port, fallback: 8001, help: "port of Triton's gRPC API; 0 takes a free one" }),
  metricsPort: setting({ kind: port, fallback: 8002, help: "port of /metrics; 0 takes a free one" }),
  ...DOOR_SETTINGS,
  ...TELEMETRY_SETTINGS,
  models,
  modelControlMode: setting<"none" | "explicit">({
    kind: oneOf(["none", "explicit"]),
    fallback: "none",
    help: "none serves all that the repository has, explicit what clients load",
  }),
  rememberModels: setting({
    kind: optional(text("a file")),
    fallback: undefined,
    fallbackText: "none, a restart forgets as Triton's does",
    help: "where the models that clients have loaded are remembered for the next start",
  }),
  responseCacheBytes: setting({
    kind: byteSize(),
    fallback: 0,
    help: "answers that each node keeps for models with a response cache; 0 keeps none",
  }),
  cache,
  logLevel: setting<LogLevel>({ kind: oneOf(LOG_LEVELS), fallback: "warn", help: "how much of the log goes to standard error" }),
};

export const KEY_SETTINGS = {
  access: setting({
    kind: listOf(oneOf(["inference", "model-read", "control", "metrics"])),
    fallback: ["inference"],
    help: "what the key is for; every key may read what models there are",
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
  models,
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
  models,
  cache,
};
