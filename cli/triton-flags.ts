/**
 * Flags of tritonserver that are no settings here, so that command lines for it work or say what to write instead
 * (command-line.md section 1). Pure.
 */
import { ServingError } from "../core/errors.ts";

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
  "log-error": "give --log-level, or change /v2/logging at run time",
  "log-file": "the log goes to standard error: redirect it",
  "log-format": "lines are JSON; /v2/logging changes the form of times",
  "log-info": "give --log-level info, or change /v2/logging at run time",
  "log-verbose": "give --log-level debug, or change /v2/logging at run time",
  "log-warning": "give --log-level warn, or change /v2/logging at run time",
  "metrics-address": "all doors listen on --host",
};

const OFF = /^(false|no|0)$/i;
/** Of these, the value may be left out. */
const SWITCHES = new Set([...Object.keys(ONLY_OFF), "allow-gpu-metrics", "enable-peer-access"]);

/**
 * @param argv words after the program's name
 * @returns without the flags that change nothing
 * @throws ServingError INVALID_ARGUMENT naming what to say instead
 */
export function withoutTritonFlags(argv: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    const [, name = "", given] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const isOurs = !WITHOUT_EFFECT.includes(name) && ONLY_OFF[name] === undefined && REFUSED[name] === undefined;
    if (isOurs) {
      kept.push(word);
      continue;
    }
    const next = argv[index + 1];
    const takesNext = given === undefined && next !== undefined && (!SWITCHES.has(name) || /^(true|false)$/.test(next));
    if (takesNext) index += 1;
    const value = given ?? (takesNext ? next : "true") ?? "";
    const remedy = REFUSED[name] ?? (OFF.test(value) ? undefined : ONLY_OFF[name]);
    if (remedy !== undefined) throw new ServingError("INVALID_ARGUMENT", `--${name} is tritonserver's: ${remedy}`);
  }
  return kept;
}
