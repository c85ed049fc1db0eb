/** What a client of an inference server can do, over whichever protocol. `HttpClient` and `GrpcClient` are its two forms. */
import type {
  LogSettings,
  ModelConfig,
  ModelIndexEntry,
  ModelMetadata,
  ModelStatistics,
  ServerMetadata,
  SystemRegion,
  TraceSettings,
} from "./answers.ts";
import type { InferRequest } from "./infer-request.ts";
import type { InferResult } from "./infer-result.ts";

export type Compression = "gzip" | "deflate";

/** What holds for all calls of a client unless a call says otherwise. */
export interface ClientOptions {
  /** Sent with every call: gRPC's metadata, HTTP's headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long a call may take in all, milliseconds, streams included; without limit unless said. */
  readonly timeoutMs?: number;
  /** Of requests. */
  readonly compression?: Compression;
}

export interface CallOptions {
  /** Ends the call, here and on the server; it then throws a ClientError CANCELLED with the signal's reason as cause. */
  readonly signal?: AbortSignal;
  /** Instead of the client's; the call then throws a ClientError DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
  /** Besides the client's. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ModelCallOptions extends CallOptions {
  /** The server's choice unless said. */
  readonly version?: string;
}

/** What a load takes instead of the repository's files. */
export interface LoadOverrides {
  /** The whole configuration, as JSON or as what becomes JSON. */
  readonly config?: string | object;
  /** By `version/path`, such as `1/model.onnx`. Needs a configuration. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

export interface RegionOptions extends CallOptions {
  /** Where the region begins in its object, bytes; 0 unless said. */
  readonly offset?: number;
}

/** All methods throw a ClientError: the server's refusal with its text, or UNAVAILABLE when there is no answer. */
export interface Client extends AsyncDisposable {
  isLive(options?: CallOptions): Promise<boolean>;
  /** Whether every model that should be ready is. */
  isReady(options?: CallOptions): Promise<boolean>;
  /** False for models that there are not, too. */
  isModelReady(model: string, options?: ModelCallOptions): Promise<boolean>;
  serverMetadata(options?: CallOptions): Promise<ServerMetadata>;
  modelMetadata(model: string, options?: ModelCallOptions): Promise<ModelMetadata>;
  modelConfig(model: string, options?: ModelCallOptions): Promise<ModelConfig>;
  /** Of one model, or of all where none is named. */
  statistics(model?: string, options?: ModelCallOptions): Promise<readonly ModelStatistics[]>;
  /** One answer. @throws ClientError UNIMPLEMENTED for decoupled models: `inferStream` is for them */
  infer(request: InferRequest, options?: CallOptions): Promise<InferResult>;
  /** As many answers as the model gives, as they come. Leaving the loop cancels what is left. */
  inferStream(request: InferRequest, options?: CallOptions): AsyncIterable<InferResult>;
  /** The models in the repository; `ready`: those that can be used. */
  repositoryIndex(options?: CallOptions & { readonly ready?: boolean }): Promise<readonly ModelIndexEntry[]>;
  /** Resolves when the model is ready. */
  loadModel(model: string, overrides?: LoadOverrides, options?: CallOptions): Promise<void>;
  /** Resolves at once; what runs is finished first. `dependents`: the models that an ensemble is made of, too. */
  unloadModel(model: string, options?: CallOptions & { readonly dependents?: boolean }): Promise<void>;
  systemSharedMemory(options?: CallOptions): Promise<readonly SystemRegion[]>;
  /** @param key of the object under /dev/shm, such as `/input` */
  registerSystemSharedMemory(name: string, key: string, byteSize: number, options?: RegionOptions): Promise<void>;
  /** All regions where no name is given. */
  unregisterSystemSharedMemory(name?: string, options?: CallOptions): Promise<void>;
  /** Of a model, or the global ones where none is named. */
  traceSettings(model?: string, options?: CallOptions): Promise<TraceSettings>;
  /** An empty list takes a setting back to its default. @returns all settings as they are now */
  updateTraceSettings(settings: TraceSettings, options?: CallOptions & { readonly model?: string }): Promise<TraceSettings>;
  logSettings(options?: CallOptions): Promise<LogSettings>;
  /** @returns all settings as they are now */
  updateLogSettings(settings: LogSettings, options?: CallOptions): Promise<LogSettings>;
  /** Ends what runs and lets the connections go. */
  close(): Promise<void>;
}
