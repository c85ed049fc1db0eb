/** What servers answer about themselves and their models as gRPC messages, in the client's own words. Pure. */
import { configJson } from "../../core/model/config/text/config-json.ts";
import { isDtype } from "../../core/tensor/dtype.ts";
import type {
  LogSettingsResponse,
  ModelConfigResponse,
  ModelMetadataResponse,
  ModelMetadataResponse_TensorMetadata,
  StatisticDuration,
  SystemSharedMemoryStatusResponse,
  TraceSettingResponse,
  ModelStatistics as WireStatistics,
} from "../../protos/gen/grpc_service_pb.ts";
import {
  BATCH_DURATIONS,
  type Durations,
  INFER_DURATIONS,
  type LogSettings,
  type ModelConfig,
  type ModelMetadata,
  type ModelStatistics,
  RESPONSE_DURATIONS,
  type SystemRegion,
  type TensorMetadata,
  type TraceSettings,
} from "../answers.ts";
import { unreadable } from "../client-error.ts";
import { parseJson } from "../json-exact.ts";
import { readModelConfig } from "../model-config.ts";

export function modelMetadata({ name, versions, platform, inputs, outputs }: ModelMetadataResponse): ModelMetadata {
  return { name, versions, platform, inputs: inputs.map(tensorMetadata), outputs: outputs.map(tensorMetadata) };
}

/** With the names and forms that it has over HTTP. */
export function modelConfig({ config }: ModelConfigResponse): ModelConfig {
  if (config === undefined) throw unreadable("it has no configuration");
  return readModelConfig(parseJson(configJson(config)));
}

export function modelStatistics(message: WireStatistics): ModelStatistics {
  const { name, version, lastInference, inferenceCount, executionCount, inferenceStats } = message;
  return {
    name,
    version,
    lastInference,
    inferenceCount,
    executionCount,
    inferenceStats: durations(inferenceStats, INFER_DURATIONS),
    batchStats: message.batchStats.map((batch) => ({ batchSize: batch.batchSize, ...durations(batch, BATCH_DURATIONS) })),
    memoryUsage: message.memoryUsage.map(({ type, id, byteSize }) => ({ type, id, byteSize })),
    responseStats: Object.fromEntries(
      Object.entries(message.responseStats).map(([index, stats]) => [index, durations(stats, RESPONSE_DURATIONS)]),
    ),
  };
}

export function systemRegions({ regions }: SystemSharedMemoryStatusResponse): readonly SystemRegion[] {
  return Object.values(regions).map(({ name, key, offset, byteSize }) => ({ name, key, offset, byteSize }));
}

/** Levels are a list, all other settings texts. */
export function traceSettings({ settings }: TraceSettingResponse): TraceSettings {
  const read = (name: string, value: readonly string[]) => (name === "trace_level" ? value : (value[0] ?? ""));
  return Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, read(name, value)]));
}

export function logSettings({ settings }: LogSettingsResponse): LogSettings {
  const known: Record<string, string | number | boolean> = {};
  for (const [name, { parameterChoice }] of Object.entries(settings)) {
    if (parameterChoice.case !== undefined) known[name] = parameterChoice.value;
  }
  return known;
}

function tensorMetadata({ name, datatype, shape }: ModelMetadataResponse_TensorMetadata): TensorMetadata {
  if (!isDtype(datatype)) throw unreadable(`a tensor of the datatype ${datatype}`);
  return { name, dtype: datatype, shape: shape.map(Number) };
}

function durations<Name extends string>(
  message: { readonly [N in Name]?: StatisticDuration | undefined } | undefined,
  names: readonly Name[],
): Durations<Name> {
  const read = (name: Name) => ({ count: message?.[name]?.count ?? 0n, ns: message?.[name]?.ns ?? 0n });
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Durations<Name>;
}
