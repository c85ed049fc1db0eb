/**
 * Flags of tritonserver that are no settings here, so that command lines for it work or say what to write instead
 * (command-line.md section 1). Pure.
 */
import { ServingError } from "../../core/errors.ts";

/** What they set is not here, or sizes itself: they change nothing. */
const WITHOUT_EFFECT: readonly string[] = [
  "allow-gpu-metrics",
  "backend-directory",
  "buffer-manager-thread-count",
  "cache-directory",
  "cuda-memory-pool-byte-size",
  "cuda-virtual-address-size",
  "enable-peer-access",
  "grpc-http2-max-pings-without-data",
  "grpc-infer-allocation-pool-size",
  "grpc-infer-thread-count",
  "grpc-keepalive-permit-without-calls",
  "grpc-max-response-pool-size",
  "http-thread-count",
  "min-supported-compute-capability",
  "model-load-gpu-limit",
  "model-load-retry-count",
  "model-load-thread-count",
  "pinned-memory-pool-byte-size",
  "repoagent-directory",
  "sagemaker-port",
  "sagemaker-safe-port-range",
  "sagemaker-thread-count",
  "vertex-ai-default-model",
  "vertex-ai-port",
];

/** Their default changes nothing, anything else is refused. */
const ONLY_OFF: Readonly<Record<string, string>> = {
  "allow-sagemaker": "SageMaker's routes are not served: use /v2 or /v1",
  "allow-vertex-ai": "Vertex AI's routes are not served: use /v2 or /v1",
  "model-namespacing": "a model's name is its own in all repositories: rename one of two",
  "reuse-grpc-port": "ports are not shared: give each gateway its own --grpc-port behind a balancer",
  "reuse-http-port": "ports are not shared: give each gateway its own --port behind a balancer",
};

const REFUSED: Readonly<Record<string, string>> = {
  "exit-timeout-secs": "give --drain-ms to nereid gateway and nereid agent",
  "grpc-address": "all doors listen on --host",
  "host-policy": "give threads in each model's configuration (intra_op_thread_count), and cores with taskset",
  "log-file": "the log goes to standard error: redirect it",
  "log-format": "lines are JSON; /v2/logging changes the form of times",
  "metrics-address": "all doors listen on --host",
};

/** Which of them are on is one setting here, `--log-level`. */
const LOGS: readonly string[] = ["log-error", "log-info", "log-verbose", "log-warning"];

const OFF = /^(false|no|0)$/i;
/** Of these, the value may be left out. */
const SWITCHES = new Set([...Object.keys(ONLY_OFF), "allow-gpu-metrics", "enable-peer-access"]);

/**
 * @param argv words after the program's name
 * @returns without the flags that change nothing, those of what is logged as `--log-level` unless that is there
 * @throws ServingError INVALID_ARGUMENT naming what to say instead
 */
export function withoutTritonFlags(argv: readonly string[]): readonly string[] {
  const kept: string[] = [];
  const logs = new Map<string, string>();
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    const [, name = "", given] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const isOurs = !WITHOUT_EFFECT.includes(name) && !LOGS.includes(name) && ONLY_OFF[name] === undefined && REFUSED[name] === undefined;
    if (isOurs) {
      kept.push(word);
      continue;
    }
    const next = argv[index + 1];
    const takesNext = given === undefined && next !== undefined && (!SWITCHES.has(name) || /^(true|false)$/.test(next));
    if (takesNext) index += 1;
    const value = given ?? (takesNext ? next : "true") ?? "";
    if (LOGS.includes(name)) logs.set(name, value);
    const remedy = REFUSED[name] ?? (OFF.test(value) ? undefined : ONLY_OFF[name]);
    if (remedy !== undefined) throw new ServingError("INVALID_ARGUMENT", `--${name} is tritonserver's: ${remedy}`);
  }
  const level = logLevelOf(logs);
  const isGiven = kept.some((word) => /^--log-level(=|$)/.test(word));
  return level === undefined || isGiven ? kept : [...kept, "--log-level", level];
}

/** @returns undefined where nothing but what is logged anyway is asked for */
function logLevelOf(logs: ReadonlyMap<string, string>): "debug" | "info" | "error" | "silent" | undefined {
  const isOff = (name: string) => OFF.test(logs.get(name) ?? "true");
  if (logs.has("log-verbose") && !isOff("log-verbose")) return "debug";
  if (logs.has("log-info") && !isOff("log-info")) return "info";
  if (isOff("log-error")) return "silent";
  return isOff("log-warning") ? "error" : undefined;
}
