/** A whole load: looks at the model, prepares the requests, measures each level, and tells of each as it is done. */
import type { Client } from "../client/client.ts";
import { GrpcClient } from "../client/grpc/grpc-client.ts";
import { HttpClient } from "../client/http/http-client.ts";
import type { InferRequest } from "../client/infer-request.ts";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { Target } from "./channel.ts";
import { readInputFile, readPayloads } from "./input-file.ts";
import { type GivenData, type InputData, requestInputs } from "./inputs.ts";
import { latenciesOf } from "./latencies.ts";
import type { LoadPlan } from "./load-plan.ts";
import { type Level, type Measurement, measure } from "./measure.ts";
import { MetricsSampler } from "./metrics-sampler.ts";
import type { ServerMetric } from "./server-metrics.ts";
import { shareRequests } from "./shared-requests.ts";
import type { WindowFigures } from "./stability.ts";
import { clientTarget } from "./targets/client-target.ts";
import { grpcTarget } from "./targets/grpc-target.ts";
import { httpTarget } from "./targets/http-target.ts";
import { textTarget } from "./targets/text-target.ts";

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
  await using client = plan.protocol === "grpc" ? new GrpcClient(plan.url.host, secured(plan)) : new HttpClient(plan.url.href, plan);
  await using stack = new AsyncDisposableStack();
  const prepare = plan.service === "triton" ? await tensorTarget(plan, client, { ...deps, stack }, signal) : () => languageTarget(plan);
  const statistics = plan.service === "triton" ? () => client.statistics(plan.model, versionOf(plan)) : undefined;
  const measurements: Measurement[] = [];
  const metrics: (readonly ServerMetric[])[] = [];
  for (const level of plan.levels) {
    deps.begun(level);
    await using target = prepare();
    await using sampler = new MetricsSampler(plan.metrics, deps.clock, signal);
    const measurement = await measure(level, plan.measure, { ...deps, target, statistics }, signal);
    const found = await sampler.end();
    measurements.push(measurement);
    metrics.push(found);
    deps.measured(measurement, found);
    if (passes(measurement, plan)) break;
  }
  return { measurements, metrics };
}

function secured({ url, headers }: LoadPlan) {
  return { headers, tls: url.protocol === "https:" };
}

const versionOf = ({ version }: LoadPlan) => (version === undefined ? {} : { version });

/** Asks for the model and prepares its requests once. @returns what makes a target for a level */
async function tensorTarget(
  plan: LoadPlan,
  client: Client,
  { random, stack }: LoadDeps & { readonly stack: AsyncDisposableStack },
  signal: AbortSignal,
): Promise<() => Target> {
  const { model, url, headers, protocol, streaming, parameters = {}, shared } = plan;
  const { batchSize } = plan.measure;
  const options = { ...versionOf(plan), signal };
  const [metadata, config] = [await client.modelMetadata(model, options), await client.modelConfig(model, options)];
  const batched = config.max_batch_size > 0;
  const inputs = requestInputs({
    metadata,
    batched,
    batchSize,
    shapes: plan.shapes,
    data: inputData(plan, random),
    stringLength: plan.stringLength,
    stringData: plan.stringData,
  });
  const sent = inputs.map((tensors) => ({ model, ...versionOf(plan), inputs: tensors, parameters }));
  const requests: readonly InferRequest[] =
    shared === undefined ? sent : stack.use(await shareRequests(sent, { client, metadata, batched, batchSize, ...shared })).requests;
  const target = { url, headers, requests };
  if (streaming || url.protocol === "https:") return () => clientTarget({ ...target, protocol, streaming });
  return () => (protocol === "http" ? httpTarget(target) : grpcTarget(target));
}

function inputData({ data }: LoadPlan, random: Random): InputData {
  switch (data.kind) {
    case "zero":
      return { kind: "zero" };
    case "random":
      return { kind: "random", chance: () => random.next() };
    case "file":
      return { kind: "given", elements: readInputFile(data.text) };
    case "folder":
      return { kind: "given", elements: [new Map(Array.from(data.files, ([name, bytes]) => [name, fileData(bytes)]))] };
  }
}

const fileData = (bytes: Uint8Array): GivenData => ({ shape: undefined, content: { kind: "file", bytes } });

function languageTarget({ data, service, ...plan }: LoadPlan): Target {
  const payloads = data.kind === "file" ? readPayloads(data.text) : [];
  return textTarget({ ...plan, service: service === "openai" ? "openai" : "generate", payloads });
}

function passes({ window }: Measurement, { latencyThresholdMs, measure: { percentile } }: LoadPlan): boolean {
  if (latencyThresholdMs === undefined) return false;
  const latencies = latenciesOf(window.latenciesMs);
  return (percentile === undefined ? latencies.averageMs : latencies.percentileMs(percentile)) > latencyThresholdMs;
}
