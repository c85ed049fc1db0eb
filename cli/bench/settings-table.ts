/** Every setting of `nereid bench`: names and meanings are Perf Analyzer's where it has them. Pure. */

import type { ParameterValue } from "../../core/messages/parameter-value.ts";
import { decimal, manyOf, oneOf, optional, type SettingKind, setting, text, wholeNumber, yesNo } from "../../core/settings.ts";
import type { Shape } from "../../core/tensor/tensor.ts";
import { DISTRIBUTIONS, type Distribution } from "../../loadgen/arrivals.ts";
import { SERVICES, type Service } from "../../loadgen/load-plan.ts";
import type { SequenceOptions } from "../../loadgen/sequences.ts";
import { type Range, range } from "../../loadgen/sweep.ts";

/** `INPUT0:1,16`; nothing behind the colon: a scalar. */
const namedShape: SettingKind<readonly [name: string, shape: Shape]> = {
  allowed: "NAME:SIZE,SIZE,…",
  parse: (value) => {
    const [, name = "", sizes = ""] = /^(.+):((?:\d+(?:,\d+)*)?)$/.exec(value) ?? [];
    return name === "" ? undefined : [name, sizes === "" ? [] : sizes.split(",").map(Number)];
  },
};

const header: SettingKind<readonly [name: string, value: string]> = {
  allowed: "NAME:VALUE",
  parse: (line) => {
    const [, name, value] = /^([\w-]+): *(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? undefined : [name.toLowerCase(), value];
  },
};

const PARAMETER_TYPES: Readonly<Record<string, (text: string) => ParameterValue | undefined>> = {
  string: (value) => value,
  int: (value) => (/^[+-]?\d{1,18}$/.test(value) ? BigInt(value) : undefined),
  float: (value) => (value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : undefined),
  bool: (value) => (value === "true" ? true : value === "false" ? false : undefined),
};

/** `max_tokens:256:int`. */
const parameter: SettingKind<readonly [name: string, value: ParameterValue]> = {
  allowed: `NAME:VALUE:TYPE, a TYPE of ${Object.keys(PARAMETER_TYPES).join(", ")}`,
  parse: (given) => {
    const [, name = "", value = "", type = ""] = /^([^:]+):(.*):(\w+)$/.exec(given) ?? [];
    const parsed = PARAMETER_TYPES[type]?.(value);
    return parsed === undefined ? undefined : [name, parsed];
  },
};

type SequenceIds = SequenceOptions["ids"];

const sequenceIds: SettingKind<SequenceIds> = {
  allowed: "START or START:END, from 1",
  parse: (given) => {
    const [, from = "", to] = /^(\d{1,15})(?::(\d{1,15}))?$/.exec(given) ?? [];
    const [start, end] = [Number(from), to === undefined ? undefined : Number(to)];
    return start > 0 && (end === undefined || end > start) ? { start, end } : undefined;
  },
};

const TENSOR_FORMATS = ["binary", "json"] as const;
type TensorFormat = (typeof TENSOR_FORMATS)[number];

const file = optional(text("a file"));
const none = { fallback: undefined, fallbackText: "none" };

export const BENCH_SETTINGS = {
  model: setting({ kind: text("a model name"), fallback: "", fallbackText: "must be given", help: "the model to load", short: "m" }),
  modelVersion: setting({
    kind: optional(text("a version")),
    fallback: undefined,
    fallbackText: "the server's choice",
    help: "the version to ask for",
    short: "x",
  }),
  url: setting({
    kind: optional(text("HOST:PORT or a URL")),
    fallback: undefined,
    fallbackText: "127.0.0.1:8000, gRPC 127.0.0.1:8001",
    help: "the server",
    short: "u",
  }),
  protocol: setting<"http" | "grpc">({ kind: oneOf(["http", "grpc"]), fallback: "http", help: "how it is spoken to", short: "i" }),
  serviceKind: setting<Service>({
    kind: oneOf(SERVICES),
    fallback: "triton",
    help: "triton: tensors; openai, generate: streamed text, with the time to the first token and between tokens",
  }),
  endpoint: setting({ kind: text("a path"), fallback: "v1/chat/completions", help: "of OpenAI's API; also v1/completions" }),
  streaming: setting({ kind: yesNo(), fallback: false, help: "gRPC: requests go over streams, one for each that is under way" }),
  header: setting<readonly (readonly [string, string])[]>({
    kind: manyOf(header),
    fallback: [],
    fallbackText: "none",
    help: "sent with every request",
    short: "H",
  }),
  concurrencyRange: setting<Range | undefined>({
    kind: range({ whole: true, most: 65_536 }),
    fallback: undefined,
    fallbackText: "1",
    help: "requests under way at once, one level after the other",
  }),
  requestRateRange: setting<Range | undefined>({
    kind: range({ whole: false, most: 1_000_000 }),
    ...none,
    help: "requests a second instead, whatever comes back; latencies begin when a request was due",
  }),
  requestIntervals: setting({
    kind: file,
    ...none,
    help: "when requests are due instead: microseconds from one to the next, one a line, over and over",
  }),
  requestDistribution: setting<Distribution>({ kind: oneOf(DISTRIBUTIONS), fallback: "constant", help: "how requests of a rate arrive" }),
  maxOutstanding: setting({
    kind: wholeNumber(1, 65_536),
    fallback: 256,
    help: "of a rate: requests under way at once; more wait, and that counts",
  }),
  latencyThreshold: setting({
    kind: optional(decimal(0, 3_600_000)),
    ...none,
    unit: "ms",
    help: "higher levels are left out once a level's latency passes it",
    short: "l",
  }),
  binarySearch: setting({
    kind: yesNo(),
    fallback: false,
    help: "measures the lowest level, the highest, and then those between which the latency passes the threshold",
  }),
  sequenceLength: setting({
    kind: optional(wholeNumber(1, 1_000_000)),
    fallback: undefined,
    fallbackText: "20, or as --input-data has steps",
    help: "requests of a sequence, for models whose requests are steps of sequences",
  }),
  sequenceLengthVariation: setting({
    kind: decimal(0, 100),
    fallback: 20,
    unit: "%",
    help: "how much lengths of sequences differ, either way",
  }),
  sequenceIdRange: setting<SequenceIds>({
    kind: sequenceIds,
    fallback: { start: 1, end: undefined },
    fallbackText: "1",
    help: "ids of sequences, the last one excluded; each is used again once its sequence is over",
  }),
  numOfSequences: setting({
    kind: wholeNumber(1, 65_536),
    fallback: 4,
    help: "sequences at once of a request rate; a concurrency is their number itself",
  }),
  measurementInterval: setting({ kind: wholeNumber(10, 3_600_000), fallback: 5_000, unit: "ms", help: "length of a window", short: "p" }),
  measurementMode: setting<"time_windows" | "count_windows">({
    kind: oneOf(["time_windows", "count_windows"]),
    fallback: "time_windows",
    help: "what makes a window: --measurement-interval or --measurement-request-count",
  }),
  measurementRequestCount: setting({
    kind: wholeNumber(1, 1_000_000_000),
    fallback: 50,
    help: "requests of a window of count_windows, at least",
  }),
  requestCount: setting({
    kind: wholeNumber(0, 1_000_000_000),
    fallback: 0,
    help: "one window of so many requests, stable or not; 0: several",
  }),
  stabilityPercentage: setting({
    kind: decimal(0, 1_000),
    fallback: 10,
    help: "a level is measured when three windows in a row lie so near their average, in throughput and latency",
    short: "s",
  }),
  maxTrials: setting({ kind: wholeNumber(1, 1_000), fallback: 10, help: "windows that are tried at most", short: "r" }),
  percentile: setting({
    kind: optional(wholeNumber(1, 99)),
    fallback: undefined,
    fallbackText: "the average",
    help: "the latency that is shown, must be stable and is held against the threshold",
  }),
  warmupRequestCount: setting({ kind: wholeNumber(0, 1_000_000_000), fallback: 0, help: "requests at each level that are not measured" }),
  batchSize: setting({ kind: wholeNumber(1, 65_536), fallback: 1, help: "inferences in a request", short: "b" }),
  inputData: setting({
    kind: text("zero, random, a JSON file or a folder"),
    fallback: "random",
    help: "what the inputs are filled with; a folder has a file for each input",
  }),
  shape: setting<readonly (readonly [string, Shape])[]>({
    kind: manyOf(namedShape),
    fallback: [],
    fallbackText: "the model's own",
    help: "an input's shape without the batch, where the model leaves sizes open",
  }),
  stringLength: setting({ kind: wholeNumber(0, 1_000_000), fallback: 128, unit: "bytes", help: "strings that are made up" }),
  stringData: setting({ kind: optional(text()), ...none, help: "the string to send instead of those that are made up" }),
  requestParameter: setting<readonly (readonly [string, ParameterValue])[]>({
    kind: manyOf(parameter),
    fallback: [],
    fallbackText: "none",
    help: "a parameter of every request",
  }),
  inputTensorFormat: setting<TensorFormat>({ kind: oneOf(TENSOR_FORMATS), fallback: "binary", help: "HTTP: how inputs go" }),
  outputTensorFormat: setting<TensorFormat>({ kind: oneOf(TENSOR_FORMATS), fallback: "binary", help: "HTTP: how outputs come" }),
  grpcCompressionAlgorithm: setting<"none" | "gzip" | "deflate">({
    kind: oneOf(["none", "gzip", "deflate"]),
    fallback: "none",
    help: "of requests over gRPC",
  }),
  sharedMemory: setting<"none" | "system">({
    kind: oneOf(["none", "system"]),
    fallback: "none",
    help: "system: tensors go through shared memory; the server has to be on this machine",
  }),
  outputSharedMemorySize: setting({
    kind: wholeNumber(1, 2 ** 31),
    fallback: 102_400,
    unit: "bytes",
    help: "shared memory for an output whose size the model leaves open",
  }),
  async: setting({
    kind: yesNo(),
    fallback: false,
    help: "Perf Analyzer's; changes nothing: here no request waits in a thread",
    short: "a",
  }),
  sync: setting({ kind: yesNo(), fallback: false, help: "the same" }),
  maxThreads: setting({ kind: wholeNumber(1, 65_536), fallback: 16, help: "the same" }),
  prompt: setting({ kind: text(), fallback: "Tell me about the sea.", help: "what language models are asked" }),
  maxTokens: setting({ kind: wholeNumber(1, 1_048_576), fallback: 128, unit: "tokens", help: "longest answer of a language model" }),
  latencyReportFile: setting({ kind: file, ...none, help: "write the levels as CSV", short: "f" }),
  json: setting({ kind: file, ...none, help: "write all figures as JSON" }),
  profileExportFile: setting({ kind: file, ...none, help: "write each request's times, in Perf Analyzer's form" }),
  collectMetrics: setting({ kind: yesNo(), fallback: false, help: "read the server's metrics meanwhile; they are part of the JSON" }),
  metricsUrl: setting({ kind: text("a URL"), fallback: "http://127.0.0.1:8002/metrics", help: "where they are" }),
  metricsInterval: setting({ kind: wholeNumber(10, 3_600_000), fallback: 1_000, unit: "ms", help: "how often they are read" }),
};
