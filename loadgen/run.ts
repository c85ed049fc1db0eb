/** A whole load: looks at the model, prepares the requests, measures each level, and tells of each as it is done. */
import { GrpcClient } from "../client/grpc/grpc-client.ts";
import { HttpClient } from "../client/http/http-client.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { readPayloads } from "./input-file.ts";
import { latenciesOf } from "./latencies.ts";
import type { LoadPlan } from "./load-plan.ts";
import { clientsOf, type Level, type Measurement, measure } from "./measure.ts";
import { MetricsSampler } from "./metrics-sampler.ts";
import { inTurn } from "./request-order.ts";
import type { ServerMetric } from "./server-metrics.ts";
import type { WindowFigures } from "./stability.ts";
import { nextLevel, type TriedLevel } from "./sweep.ts";
import { textTarget } from "./targets/text-target.ts";
import { type PreparedLoad, tensorLoad, versionOf } from "./tensor-load.ts";

export interface LoadDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** A level begins. */
  readonly begun: (level: Level) => void;
  readonly heard: (figures: WindowFigures, failures: number) => void;
  readonly measured: (measurement: Measurement, metrics: readonly ServerMetric[]) => void;
}

export interface LoadFigures {
  readonly measurements: readonly Measurement[];
  /** By level. */
  readonly metrics: readonly (readonly ServerMetric[])[];
}

/** @throws ServingError what the server says of the model, or that it does not answer; the signal's reason */
export async function runLoad(plan: LoadPlan, deps: LoadDeps, signal: AbortSignal): Promise<LoadFigures> {
  await using client =
    plan.protocol === "grpc" ? new GrpcClient(plan.url.host, secured(plan)) : new HttpClient(plan.url.href, { headers: plan.headers });
  await using stack = new AsyncDisposableStack();
  const load = plan.service === "triton" ? await tensorLoad(plan, { ...deps, client, stack }, signal) : textLoad(plan);
  const options = { ...plan.measure, channelsMax: load.channelsMax };
  const statistics = plan.service === "triton" ? () => client.statistics(plan.model, versionOf(plan)) : undefined;
  const measurements: Measurement[] = [];
  const metrics: (readonly ServerMetric[])[] = [];
  const tried: TriedLevel[] = [];
  for (;;) {
    const place = nextLevel(plan.search ?? "linear", plan.levels.length, tried);
    const level = place === undefined ? undefined : plan.levels[place];
    if (place === undefined || level === undefined) break;
    deps.begun(level);
    const { target: opened, order } = load.prepare(clientsOf(level, options));
    await using target = opened;
    await using sampler = new MetricsSampler(plan.metrics, deps.clock, signal);
    const measurement = await measure(level, options, { ...deps, target, order, statistics }, signal);
    const found = await sampler.end();
    measurements.push(measurement);
    metrics.push(found);
    deps.measured(measurement, found);
    tried.push({ place, isOver: passes(measurement, plan) });
  }
  return { measurements, metrics };
}

function secured({ url, headers }: LoadPlan) {
  return { headers, tls: url.protocol === "https:" };
}

function textLoad({ data, service, ...plan }: LoadPlan): PreparedLoad {
  const payloads = data.kind === "file" ? readPayloads(data.text) : [];
  const options = { ...plan, service: service === "openai" ? "openai" : "generate", payloads } as const;
  return { channelsMax: plan.measure.channelsMax, prepare: () => ({ target: textTarget(options), order: inTurn() }) };
}

function passes({ window }: Measurement, { latencyThresholdMs, measure: { percentile } }: LoadPlan): boolean {
  if (latencyThresholdMs === undefined) return false;
  const latencies = latenciesOf(window.latenciesMs);
  return (percentile === undefined ? latencies.averageMs : latencies.percentileMs(percentile)) > latencyThresholdMs;
}
