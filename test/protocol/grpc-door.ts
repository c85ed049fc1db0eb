/** The KServe door over gRPC alone, over scripted models, on a loopback port of its own. */
import { systemClock } from "../../core/clock.ts";
import type { ServingError } from "../../core/errors.ts";
import { seededRandom } from "../../core/random.ts";
import { fixedTls, type Tls } from "../../gateway/access/tls.ts";
import type { CompressionLevel } from "../../gateway/grpc/compression.ts";
import type { GrpcLimits } from "../../gateway/grpc/limits.ts";
import type { GrpcMethod } from "../../gateway/grpc/method.ts";
import { type GrpcServer, startGrpcServer } from "../../gateway/grpc/server.ts";
import { headerPattern } from "../../gateway/kserve/infer/request-parameters.ts";
import { LogSettings } from "../../gateway/kserve/log-settings.ts";
import { SharedMemoryRegions } from "../../gateway/kserve/shared-memory.ts";
import { TraceSettings } from "../../gateway/kserve/trace-settings.ts";
import { kserveGrpcMethods } from "../../gateway/kserve-grpc/methods.ts";
import type { Inference } from "../../gateway/serving/inference.ts";
import type { ModelDemand } from "../../gateway/serving/model-catalog.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { ScriptedText } from "../support/scripted-text.ts";

export interface GrpcDoor extends AsyncDisposable {
  readonly models: ScriptedModels;
  readonly text: ScriptedText;
  readonly port: number;
  readonly server: GrpcServer;
  /** What the server told of failures by its own fault. */
  readonly reported: readonly ServingError[];
}

export interface GrpcDoorOptions {
  readonly models?: ScriptedModels;
  readonly inference?: Inference;
  readonly decoupled?: Pick<Inference, "responses">;
  readonly demand?: ModelDemand;
  readonly text?: ScriptedText;
  readonly allowClientShm?: boolean;
  readonly forwardHeaders?: string;
  readonly limits?: Partial<GrpcLimits>;
  readonly compressionLevel?: CompressionLevel;
  readonly tls?: Tls;
  /** Besides the door's own. */
  readonly methods?: readonly GrpcMethod[];
}

function inferenceOf({ inference, decoupled, models }: GrpcDoorOptions & { readonly models: ScriptedModels }): Inference {
  const once = inference ?? models;
  const often = decoupled ?? once;
  return { infer: (request, signal) => once.infer(request, signal), responses: (request, signal) => often.responses(request, signal) };
}

export async function startGrpcDoor(options: GrpcDoorOptions = {}): Promise<GrpcDoor> {
  const { models = new ScriptedModels(), text = new ScriptedText(), allowClientShm = true, forwardHeaders, limits = {} } = options;
  const sharedMemory = new SharedMemoryRegions({ allowed: allowClientShm });
  const forwardedHeaders = forwardHeaders === undefined ? undefined : headerPattern(forwardHeaders);
  const methods = kserveGrpcMethods({
    identity: { name: "triton", version: "2.51.0" },
    generation: text,
    models: text,
    random: seededRandom(7n),
    forwardedHeaders,
    tensors: {
      inference: inferenceOf({ models, ...options }),
      catalog: models,
      control: models,
      statistics: models,
      ...(options.demand && { demand: options.demand }),
      sharedMemory,
      trace: new TraceSettings(),
      log: new LogSettings(),
      forwardedHeaders: undefined,
    },
  });
  const reported: ServingError[] = [];
  const { tls, compressionLevel } = options;
  const server = await startGrpcServer({
    host: "127.0.0.1",
    port: 0,
    clock: systemClock,
    methods: [...methods, ...(options.methods ?? [])],
    report: (error) => reported.push(error),
    limits,
    tls: tls && fixedTls(tls),
    compressionLevel,
  });
  return {
    models,
    text,
    port: server.port,
    server,
    reported,
    [Symbol.asyncDispose]: async () => {
      await server.close(0);
      sharedMemory[Symbol.dispose]();
    },
  };
}
