/** The client over gRPC. It needs the package @grpc/grpc-js, which is loaded by the first call. */
import { GRPCInferenceService } from "../../protos/gen/grpc_service_pb.ts";
import type {
  LogSettings,
  ModelConfig,
  ModelIndexEntry,
  ModelMetadata,
  ModelStatistics,
  ServerMetadata,
  SystemRegion,
  TraceSettings,
} from "../answers.ts";
import type { CallOptions, Client, LoadOverrides, ModelCallOptions, RegionOptions } from "../client.ts";
import type { InferRequest } from "../infer-request.ts";
import type { InferResult } from "../infer-result.ts";
import { indexEntry } from "../model-config.ts";
import { Channel } from "./channel.ts";
import type { GrpcClientOptions } from "./channel-options.ts";
import { inferMessage, inferResult, sharedOutputs } from "./infer-messages.ts";
import { InferStream } from "./infer-stream.ts";
import { logSettings, modelConfig, modelMetadata, modelStatistics, systemRegions, traceSettings } from "./model-answers.ts";

const { method } = GRPCInferenceService;

/** A client for `HOST:PORT`. The connection is opened by the first call, and opened again when it breaks. */
export class GrpcClient implements Client {
  readonly #channel: Channel;

  /** @param address `HOST:PORT`, or what grpc-js knows besides, such as `unix:/path` */
  constructor(address: string, options: GrpcClientOptions = {}) {
    this.#channel = new Channel(address, options);
  }

  async isLive(options?: CallOptions): Promise<boolean> {
    const { live } = await this.#channel.unary(method.serverLive, {}, options);
    return live;
  }

  async isReady(options?: CallOptions): Promise<boolean> {
    const { ready } = await this.#channel.unary(method.serverReady, {}, options);
    return ready;
  }

  async isModelReady(model: string, options?: ModelCallOptions): Promise<boolean> {
    const { ready } = await this.#channel.unary(method.modelReady, named(model, options), options);
    return ready;
  }

  async serverMetadata(options?: CallOptions): Promise<ServerMetadata> {
    const { name, version, extensions } = await this.#channel.unary(method.serverMetadata, {}, options);
    return { name, version, extensions };
  }

  async modelMetadata(model: string, options?: ModelCallOptions): Promise<ModelMetadata> {
    return modelMetadata(await this.#channel.unary(method.modelMetadata, named(model, options), options));
  }

  async modelConfig(model: string, options?: ModelCallOptions): Promise<ModelConfig> {
    return modelConfig(await this.#channel.unary(method.modelConfig, named(model, options), options));
  }

  async statistics(model = "", options?: ModelCallOptions): Promise<readonly ModelStatistics[]> {
    const { modelStats } = await this.#channel.unary(method.modelStatistics, named(model, options), options);
    return modelStats.map(modelStatistics);
  }

  async infer(request: InferRequest, options?: CallOptions): Promise<InferResult> {
    const message = inferMessage(request, { emptyFinal: false });
    return inferResult(await this.#channel.unary(method.modelInfer, message, options), sharedOutputs(request));
  }

  async *inferStream(request: InferRequest, options?: CallOptions): AsyncGenerator<InferResult> {
    await using stream = await this.openStream(options);
    await stream.sendLast(request);
    for await (const item of stream) {
      if (item.kind === "failure") throw item.error;
      yield item.result;
    }
  }

  /** A stream for many requests, such as those of sequences. */
  openStream(options?: CallOptions): Promise<InferStream> {
    return InferStream.open(this.#channel, options);
  }

  async repositoryIndex(options: CallOptions & { readonly ready?: boolean } = {}): Promise<readonly ModelIndexEntry[]> {
    const { models } = await this.#channel.unary(method.repositoryIndex, { ready: options.ready ?? false }, options);
    return models.map(({ name, version, state, reason }) => indexEntry(name, version, state, reason));
  }

  async loadModel(model: string, { config, files = {} }: LoadOverrides = {}, options?: CallOptions): Promise<void> {
    const parameters = {
      ...(config !== undefined && { config: text(typeof config === "string" ? config : JSON.stringify(config)) }),
      ...Object.fromEntries(Object.entries(files).map(([path, value]) => [`file:${path}`, bytes(value)])),
    };
    await this.#channel.unary(method.repositoryModelLoad, { modelName: model, parameters }, options);
  }

  async unloadModel(model: string, options: CallOptions & { readonly dependents?: boolean } = {}): Promise<void> {
    const value = options.dependents ?? false;
    const parameters = { unload_dependents: { parameterChoice: { case: "boolParam", value } } } as const;
    await this.#channel.unary(method.repositoryModelUnload, { modelName: model, parameters }, options);
  }

  async systemSharedMemory(options?: CallOptions): Promise<readonly SystemRegion[]> {
    return systemRegions(await this.#channel.unary(method.systemSharedMemoryStatus, {}, options));
  }

  async registerSystemSharedMemory(name: string, key: string, byteSize: number, options: RegionOptions = {}): Promise<void> {
    const region = { name, key, offset: BigInt(options.offset ?? 0), byteSize: BigInt(byteSize) };
    await this.#channel.unary(method.systemSharedMemoryRegister, region, options);
  }

  async unregisterSystemSharedMemory(name = "", options?: CallOptions): Promise<void> {
    await this.#channel.unary(method.systemSharedMemoryUnregister, { name }, options);
  }

  async traceSettings(model = "", options?: CallOptions): Promise<TraceSettings> {
    return traceSettings(await this.#channel.unary(method.traceSetting, { modelName: model }, options));
  }

  async updateTraceSettings(settings: TraceSettings, options: CallOptions & { readonly model?: string } = {}): Promise<TraceSettings> {
    const given = Object.entries(settings).map(([name, value]) => [name, { value: typeof value === "string" ? [value] : [...value] }]);
    const request = { modelName: options.model ?? "", settings: Object.fromEntries(given) };
    return traceSettings(await this.#channel.unary(method.traceSetting, request, options));
  }

  async logSettings(options?: CallOptions): Promise<LogSettings> {
    return logSettings(await this.#channel.unary(method.logSettings, {}, options));
  }

  async updateLogSettings(settings: LogSettings, options?: CallOptions): Promise<LogSettings> {
    const given = Object.entries(settings).map(([name, value]) => [name, logValue(value)]);
    return logSettings(await this.#channel.unary(method.logSettings, { settings: Object.fromEntries(given) }, options));
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function named(name: string, options: ModelCallOptions = {}) {
  return { name, version: options.version ?? "" };
}

function text(value: string) {
  return { parameterChoice: { case: "stringParam", value } } as const;
}

function bytes(value: Uint8Array) {
  return { parameterChoice: { case: "bytesParam", value } } as const;
}

function logValue(value: string | number | boolean) {
  if (typeof value === "string") return text(value);
  if (typeof value === "boolean") return { parameterChoice: { case: "boolParam", value } } as const;
  return { parameterChoice: { case: "uint32Param", value } } as const;
}
