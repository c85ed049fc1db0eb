/** `nereid bench`: loads a running server with requests and measures it. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { VERSION } from "../core/version.ts";
import { parseIntervals } from "../loadgen/arrivals.ts";
import type { LoadPlan } from "../loadgen/load-plan.ts";
import type { Level } from "../loadgen/measure.ts";
import { measurementText, summaryText } from "../loadgen/report/console.ts";
import { csvText } from "../loadgen/report/csv.ts";
import { figuresText } from "../loadgen/report/figures.ts";
import { profileText } from "../loadgen/report/profile.ts";
import { type LoadFigures, runLoad } from "../loadgen/run.ts";
import { levels } from "../loadgen/sweep.ts";
import { BENCH_SETTINGS } from "./bench/settings-table.ts";
import { type Progress, startProgress } from "./progress.ts";
import { stopSignal } from "./stop.ts";

type BenchSettings = SettingsOf<typeof BENCH_SETTINGS>;

export async function bench(source: SettingsSource): Promise<void> {
  const settings = readSettings(BENCH_SETTINGS, source);
  const plan = await loadPlan(settings);
  using stop = stopSignal(systemClock, source.environment);
  let progress: Progress | undefined;
  const deps = {
    clock: systemClock,
    random: systemRandom,
    begun: ({ kind, value }: Level) => {
      progress = startProgress(process.stderr, systemClock, { label: `${kind} ${value}`, total: undefined });
    },
    heard: ({ perSecond, latencyMs }: { readonly perSecond: number; readonly latencyMs: number }, failures: number) => {
      const failed = failures === 0 ? "" : `, ${failures} failed`;
      progress?.note(`${perSecond.toFixed(0)} infer/sec, ${(latencyMs * 1_000).toFixed(0)} usec${failed}`);
    },
    measured: (...[measurement]: Parameters<Parameters<typeof runLoad>[1]["measured"]>) => {
      progress?.[Symbol.dispose]();
      progress = undefined;
      process.stdout.write(`${measurementText(measurement, settings.percentile)}\n\n`);
    },
  };
  try {
    const figures = await runLoad(plan, deps, stop.signal);
    process.stdout.write(`${summaryText(figures.measurements, settings.percentile)}\n`);
    await writeFiles(settings, plan, figures);
  } finally {
    progress?.[Symbol.dispose]();
  }
}

async function loadPlan(settings: BenchSettings): Promise<LoadPlan> {
  const { model, protocol, inputData, metricsUrl, metricsInterval } = settings;
  if (model === "") throw new ServingError("INVALID_ARGUMENT", "--model: say which model to load, such as -m add_sub");
  if (settings.streaming && protocol !== "grpc")
    throw new ServingError("INVALID_ARGUMENT", "--streaming is gRPC's: add -i grpc, or --service-kind openai for streams over HTTP");
  if (protocol !== "http" && (settings.inputTensorFormat === "json" || settings.outputTensorFormat === "json"))
    throw new ServingError("INVALID_ARGUMENT", "--input-tensor-format and --output-tensor-format are HTTP's: leave them out, or -i grpc");
  const { requestCount } = settings;
  const byCount = settings.measurementMode === "count_windows" ? settings.measurementRequestCount : 0;
  const gapsMs = settings.requestIntervals === undefined ? undefined : parseIntervals(await intervalsText(settings.requestIntervals));
  return {
    ...settings,
    version: settings.modelVersion,
    url: serverUrl(settings),
    service: settings.serviceKind,
    headers: Object.fromEntries(settings.header),
    levels: levelsOf(settings, gapsMs),
    search: settings.binarySearch ? "binary" : "linear",
    formats: { binaryInputs: settings.inputTensorFormat === "binary", binaryOutputs: settings.outputTensorFormat === "binary" },
    compression: protocol === "grpc" && settings.grpcCompressionAlgorithm !== "none" ? settings.grpcCompressionAlgorithm : undefined,
    sequences: {
      length: settings.sequenceLength,
      variationPercent: settings.sequenceLengthVariation,
      ids: settings.sequenceIdRange,
      atOnce: settings.numOfSequences,
    },
    measure: {
      windowMs: settings.measurementInterval,
      windowRequests: requestCount > 0 ? requestCount : byCount,
      trialsMax: requestCount > 0 ? 1 : settings.maxTrials,
      stabilityPercent: settings.stabilityPercentage,
      percentile: settings.percentile,
      warmUpRequests: settings.warmupRequestCount,
      distribution: settings.requestDistribution,
      gapsMs,
      channelsMax: settings.maxOutstanding,
      batchSize: settings.batchSize,
      records: settings.profileExportFile !== undefined,
    },
    latencyThresholdMs: settings.latencyThreshold,
    data: inputData === "zero" || inputData === "random" ? { kind: inputData } : await givenData(inputData),
    parameters: Object.fromEntries(settings.requestParameter),
    shared: settings.sharedMemory === "system" ? { outputBytes: settings.outputSharedMemorySize } : undefined,
    shapes: new Map(settings.shape),
    prompts: [settings.prompt],
    metrics: settings.collectMetrics ? { url: metricsUrl, intervalMs: metricsInterval } : undefined,
  };
}

function serverUrl({ url, protocol }: BenchSettings): URL {
  const given = url ?? (protocol === "http" ? "127.0.0.1:8000" : "127.0.0.1:8001");
  const whole = given.includes("://") ? given : `http://${given}`;
  if (URL.canParse(whole)) return new URL(whole);
  throw new ServingError("INVALID_ARGUMENT", `--url: ${JSON.stringify(given)} is no address: say HOST:PORT or http://HOST:PORT`);
}

/** @throws ServingError INVALID_ARGUMENT for two kinds of load, or one that has no end */
function levelsOf(
  { concurrencyRange, requestRateRange, latencyThreshold, binarySearch }: BenchSettings,
  gapsMs: readonly number[] | undefined,
) {
  const kinds = [concurrencyRange, requestRateRange, gapsMs].filter((one) => one !== undefined);
  if (kinds.length > 1) {
    const flags = "--concurrency-range, --request-rate-range and --request-intervals";
    throw new ServingError("INVALID_ARGUMENT", `${flags} are kinds of load: give one of them`);
  }
  if (gapsMs !== undefined) {
    const meanMs = gapsMs.reduce((sum, ms) => sum + ms, 0) / gapsMs.length;
    return [{ kind: "request-rate", value: Number((1_000 / meanMs).toFixed(3)) } as const];
  }
  const range = requestRateRange ?? concurrencyRange ?? { start: 1, end: 1, step: 1, isOpen: false };
  if (range.isOpen && latencyThreshold === undefined)
    throw new ServingError("INVALID_ARGUMENT", "a range whose end is 0 goes on until a latency is too long: add --latency-threshold");
  if (binarySearch && (range.isOpen || range.start === range.end || latencyThreshold === undefined))
    throw new ServingError(
      "INVALID_ARGUMENT",
      "--binary-search looks for where the latency passes: give a range with an end, and --latency-threshold",
    );
  const kind = requestRateRange === undefined ? "concurrency" : "request-rate";
  return levels(range).map((value) => ({ kind, value }) as const);
}

async function intervalsText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", `--request-intervals: ${file} cannot be read`, { cause });
  }
}

/** A JSON file, or a folder with a file for each input. */
async function givenData(place: string): Promise<LoadPlan["data"]> {
  try {
    if (!(await stat(place)).isDirectory()) return { kind: "file", text: await readFile(place, "utf8") };
    const names = await readdir(place);
    const files = await Promise.all(names.map(async (name) => [name, await readFile(path.join(place, name))] as const));
    return { kind: "folder", files: new Map(files) };
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", `--input-data: ${place} cannot be read: say zero, random, a JSON file or a folder`, {
      cause,
    });
  }
}

async function writeFiles(settings: BenchSettings, plan: LoadPlan, { measurements, metrics }: LoadFigures): Promise<void> {
  const { latencyReportFile, json, profileExportFile } = settings;
  const head = {
    version: VERSION,
    serviceKind: plan.service,
    endpoint: plan.service === "openai" ? plan.endpoint : "",
    epochMs: systemClock.wallClockMs() - systemClock.now(),
  };
  if (latencyReportFile !== undefined) await writeFile(latencyReportFile, csvText(measurements));
  if (json !== undefined) await writeFile(json, figuresText(measurements, metrics));
  if (profileExportFile !== undefined) await writeFile(profileExportFile, profileText(measurements, head));
}
