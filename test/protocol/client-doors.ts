/** Both KServe doors over the same scripted models, each on a loopback port of its own, and the package's clients for them. */
import type { Client, ClientOptions } from "../../client/client.ts";
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import { HttpClient } from "../../client/http/http-client.ts";
import { systemClock } from "../../core/clock.ts";
import { seededRandom } from "../../core/random.ts";
import { DTYPES, type Dtype, isDtype } from "../../core/tensor/dtype.ts";
import { startGrpcServer } from "../../gateway/grpc/server.ts";
import { BodyParsers } from "../../gateway/http/body-parser.ts";
import { startHttpServer } from "../../gateway/http1/server.ts";
import { headerPattern } from "../../gateway/kserve/infer/request-parameters.ts";
import { LogSettings } from "../../gateway/kserve/log-settings.ts";
import { kserveRoutes } from "../../gateway/kserve/routes.ts";
import { SharedMemoryRegions } from "../../gateway/kserve/shared-memory.ts";
import { TraceSettings } from "../../gateway/kserve/trace-settings.ts";
import { kserveGrpcMethods } from "../../gateway/kserve-grpc/methods.ts";
import type { Inference, InferRequest } from "../../gateway/serving/inference.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { MODEL_SCRIPTS, type ModelScript } from "../support/scripted-models-table.ts";
import { ScriptedText } from "../support/scripted-text.ts";

/** Answers with what it gets, whatever its shape: a model for each datatype, `any_FP32` and so on. */
const ANY: readonly ModelScript[] = Object.keys(DTYPES)
  .filter((name): name is Dtype => isDtype(name))
  .map((dtype) => ({
    name: `any_${dtype}`,
    does: "identity",
    maxBatchSize: 0,
    inputs: [{ name: "IN", dtype, dims: [-1, -1] }],
    outputs: [{ name: "OUT", dtype, dims: [-1, -1] }],
  }));

/** Its answer never comes. */
const HELD: ModelScript = {
  name: "held",
  does: "identity",
  maxBatchSize: 0,
  inputs: [{ name: "IN", dtype: "FP32", dims: [1] }],
  outputs: [{ name: "OUT", dtype: "FP32", dims: [1] }],
};

export interface ClientDoors extends AsyncDisposable {
  readonly models: ScriptedModels;
  readonly text: ScriptedText;
  readonly held: HeldInference;
  readonly httpAddress: string;
  readonly grpcAddress: string;
}

export interface ClientDoorsOptions {
  readonly mode?: "none" | "explicit";
  readonly text?: ScriptedText;
}

/** The scripted models, but for the model `held`. */
export class HeldInference implements Inference {
  readonly #models: ScriptedModels;
  /** Requests that wait now, and that were canceled. */
  waiting = 0;
  canceled = 0;

  constructor(models: ScriptedModels) {
    this.#models = models;
  }

  responses(request: InferRequest, signal: AbortSignal) {
    return this.#models.responses(request, signal);
  }

  infer(request: InferRequest, signal: AbortSignal) {
    if (request.model !== HELD.name) return this.#models.infer(request, signal);
    this.waiting++;
    return new Promise<never>((_, reject) => {
      const onAbort = () => {
        this.waiting--;
        this.canceled++;
        reject(signal.reason);
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

export async function startClientDoors({ mode = "none", text = new ScriptedText() }: ClientDoorsOptions = {}): Promise<ClientDoors> {
  const models = new ScriptedModels({ mode, scripts: [...MODEL_SCRIPTS, ...ANY, HELD] });
  const held = new HeldInference(models);
  const bodies = new BodyParsers();
  const sharedMemory = new SharedMemoryRegions({ allowed: true });
  const forwardedHeaders = headerPattern("x-forwarded-test");
  const deps = {
    identity: { name: "triton", version: "2.51.0" },
    generation: text,
    models: text,
    random: seededRandom(7n),
    forwardedHeaders,
    tensors: {
      inference: held,
      catalog: models,
      control: models,
      statistics: models,
      sharedMemory,
      trace: new TraceSettings(),
      log: new LogSettings(),
      forwardedHeaders,
    },
  };
  const address = { host: "127.0.0.1", port: 0, clock: systemClock };
  const http = await startHttpServer({ ...address, routes: kserveRoutes({ ...deps, bodies }) });
  const grpc = await startGrpcServer({ ...address, methods: kserveGrpcMethods(deps), compressionLevel: "low" });
  return {
    models,
    text,
    held,
    httpAddress: `http://127.0.0.1:${http.port}`,
    grpcAddress: `127.0.0.1:${grpc.port}`,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([http.close(0), grpc.close(0)]);
      await bodies.close();
      sharedMemory[Symbol.dispose]();
    },
  };
}

export interface ClientKind {
  readonly protocol: "HTTP" | "gRPC";
  readonly connect: (doors: ClientDoors, options?: ClientOptions) => Client;
}

export const CLIENT_KINDS: readonly ClientKind[] = [
  { protocol: "HTTP", connect: ({ httpAddress }, options) => new HttpClient(httpAddress, options) },
  { protocol: "gRPC", connect: ({ grpcAddress }, options) => new GrpcClient(grpcAddress, options) },
];
