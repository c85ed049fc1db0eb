/** The client over HTTP with the binary tensor extension: needs nothing but `fetch`. */
import { systemClock } from "../../core/clock.ts";
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
import { readModelConfig } from "../model-config.ts";
import { base64 } from "./base64.ts";
import { readStatistics } from "./counters.ts";
import { Exchange, type HttpClientOptions } from "./exchange.ts";
import { type GenerateAnswer, type GenerateRequest, type GenerateStreamOptions, generateOnce, generateStream } from "./generate.ts";
import { inferOnce, inferStream } from "./infer.ts";
import {
  readLogSettings,
  readModelMetadata,
  readRepositoryIndex,
  readServerMetadata,
  readSystemRegions,
  readTraceSettings,
  statisticsList,
} from "./model-answers.ts";
import { modelPath, regionPath, repositoryPath, tracePath } from "./paths.ts";

const JSON_BODY = { "content-type": "application/json" };

/** A client for `http://HOST:PORT`. Connections are opened by the first calls, and used again. */
export class HttpClient implements Client {
  readonly #exchange: Exchange;
  readonly #options: HttpClientOptions;

  /** @param url `http://HOST:PORT`, `https://…`, with a path where the server has one; `HOST:PORT` is plain HTTP */
  constructor(url: string, options: HttpClientOptions = {}) {
    this.#exchange = new Exchange(url, options);
    this.#options = options;
  }

  isLive(options?: CallOptions): Promise<boolean> {
    return this.#isWell("/v2/health/live", options);
  }

  isReady(options?: CallOptions): Promise<boolean> {
    return this.#isWell("/v2/health/ready", options);
  }

  isModelReady(model: string, options: ModelCallOptions = {}): Promise<boolean> {
    return this.#isWell(modelPath(model, options.version, "/ready"), options);
  }

  async serverMetadata(options?: CallOptions): Promise<ServerMetadata> {
    return readServerMetadata(await this.#get("/v2", options));
  }

  async modelMetadata(model: string, options: ModelCallOptions = {}): Promise<ModelMetadata> {
    return readModelMetadata(await this.#get(modelPath(model, options.version, ""), options));
  }

  async modelConfig(model: string, options: ModelCallOptions = {}): Promise<ModelConfig> {
    return readModelConfig(await this.#get(modelPath(model, options.version, "/config"), options));
  }

  async statistics(model?: string, options: ModelCallOptions = {}): Promise<readonly ModelStatistics[]> {
    const path = model === undefined ? "/v2/models/stats" : modelPath(model, options.version, "/stats");
    return statisticsList(await this.#get(path, options)).map(readStatistics);
  }

  infer(request: InferRequest, options?: CallOptions): Promise<InferResult> {
    return inferOnce(this.#exchange, this.#options, request, options);
  }

  /** Asks for an answer of server-sent events; a server that has none answers models that are not decoupled with one result. */
  inferStream(request: InferRequest, options?: CallOptions): AsyncGenerator<InferResult> {
    return inferStream(this.#exchange, this.#options, request, options);
  }

  /** The generate extension: exactly one answer. */
  generate(request: GenerateRequest, options?: CallOptions): Promise<GenerateAnswer> {
    return generateOnce(this.#exchange, request, options);
  }

  /** The generate extension: answers as they come. Leaving the loop cancels what is left. */
  generateStream(request: GenerateRequest, options: GenerateStreamOptions = {}): AsyncGenerator<GenerateAnswer> {
    return generateStream(this.#exchange, request, options, this.#options.clock ?? systemClock);
  }

  async repositoryIndex(options: CallOptions & { readonly ready?: boolean } = {}): Promise<readonly ModelIndexEntry[]> {
    return readRepositoryIndex(await this.#post("/v2/repository/index", { ready: options.ready ?? false }, options));
  }

  async loadModel(model: string, { config, files = {} }: LoadOverrides = {}, options?: CallOptions): Promise<void> {
    const parameters = {
      ...(config !== undefined && { config: typeof config === "string" ? config : JSON.stringify(config) }),
      ...Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`file:${path}`, base64(bytes)])),
    };
    await this.#send(repositoryPath(model, "load"), { parameters }, options);
  }

  async unloadModel(model: string, options: CallOptions & { readonly dependents?: boolean } = {}): Promise<void> {
    await this.#send(repositoryPath(model, "unload"), { parameters: { unload_dependents: options.dependents ?? false } }, options);
  }

  async systemSharedMemory(options?: CallOptions): Promise<readonly SystemRegion[]> {
    return readSystemRegions(await this.#get(regionPath(undefined, "status"), options));
  }

  async registerSystemSharedMemory(name: string, key: string, byteSize: number, options: RegionOptions = {}): Promise<void> {
    await this.#send(regionPath(name, "register"), { key, offset: options.offset ?? 0, byte_size: byteSize }, options);
  }

  async unregisterSystemSharedMemory(name?: string, options?: CallOptions): Promise<void> {
    await this.#send(regionPath(name, "unregister"), {}, options);
  }

  async traceSettings(model?: string, options?: CallOptions): Promise<TraceSettings> {
    return readTraceSettings(await this.#get(tracePath(model), options));
  }

  async updateTraceSettings(settings: TraceSettings, options: CallOptions & { readonly model?: string } = {}): Promise<TraceSettings> {
    const given = Object.entries(settings).map(([name, value]) => [name, Array.isArray(value) && value.length === 0 ? null : value]);
    return readTraceSettings(await this.#post(tracePath(options.model), Object.fromEntries(given), options));
  }

  async logSettings(options?: CallOptions): Promise<LogSettings> {
    return readLogSettings(await this.#get("/v2/logging", options));
  }

  async updateLogSettings(settings: LogSettings, options?: CallOptions): Promise<LogSettings> {
    return readLogSettings(await this.#post("/v2/logging", settings, options));
  }

  close(): Promise<void> {
    this.#exchange.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #isWell(path: string, options: CallOptions | undefined): Promise<boolean> {
    const { status } = await this.#exchange.answer({ method: "GET", path }, options);
    return status === 200;
  }

  #get(path: string, options: CallOptions | undefined): Promise<unknown> {
    return this.#exchange.json({ method: "GET", path }, options);
  }

  #post(path: string, body: object, options: CallOptions | undefined): Promise<unknown> {
    return this.#exchange.json({ method: "POST", path, headers: JSON_BODY, body: JSON.stringify(body) }, options);
  }

  async #send(path: string, body: object, options: CallOptions | undefined): Promise<void> {
    await this.#exchange.success({ method: "POST", path, headers: JSON_BODY, body: JSON.stringify(body) }, options);
  }
}
