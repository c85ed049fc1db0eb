/** `nereid bench`: loads a running server with requests and measures it. */
import { readFile, writeFile } from "node:fs/promises";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { readSettings, type SettingsOf, type SettingsSource } from "../core/settings.ts";
import { VERSION } from "../core/version.ts";
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
  const { concurrencyRange, requestRateRange } = settings;
  if (concurrencyRange !== undefined && requestRateRange !== undefined)
    throw new ServingError("INVALID_ARGUMENT", "--concurrency-range and --request-rate-range are two kinds of load: give one of them");
  const range = requestRateRange ?? concurrencyRange ?? { start: 1, end: 1, step: 1 };
  const kind = requestRateRange === undefined ? "concurrency" : "request-rate";
  return {
    ...settings,
    version: settings.modelVersion,
    url: serverUrl(settings),
    service: settings.serviceKind,
    headers: Object.fromEntries(settings.header),
    levels: levels(range).map((value) => ({ kind, value })),
    measure: {
      windowMs: settings.measurementInterval,
      windowRequests: settings.requestCount,
      trialsMax: settings.maxTrials,
      stabilityPercent: settings.stabilityPercentage,
      percentile: settings.percentile,
      warmUpRequests: settings.warmupRequestCount,
      distribution: settings.requestDistribution,
      channelsMax: settings.maxOutstanding,
      batchSize: settings.batchSize,
      records: settings.profileExportFile !== undefined,
    },
    latencyThresholdMs: settings.latencyThreshold,
    data: inputData === "zero" || inputData === "random" ? { kind: inputData } : { kind: "file", text: await inputText(inputData) },
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

async function inputText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", `--input-data: ${file} cannot be read: say zero, random or a JSON file`, { cause });
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
