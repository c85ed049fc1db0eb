/** What the KServe door over gRPC is made of: the ports of the serving core, and what it shares with the door over HTTP. */
import type { Random } from "../../core/random.ts";
import type { ServerIdentity } from "../kserve/metadata.ts";
import type { TensorServing } from "../kserve/tensor-serving.ts";
import type { ModelDirectory, TextGeneration } from "../serving/generation/text-generation.ts";
import type { RequestTracing } from "../tracing/request-tracing.ts";

export interface KserveGrpcDeps {
  readonly identity: ServerIdentity;
  readonly generation: TextGeneration;
  /** Language models. One that the catalog knows too is a language model. */
  readonly models: ModelDirectory;
  /** The same as the door over HTTP has. */
  readonly tensors: TensorServing;
  /** Metadata whose name matches becomes request parameters (`headerPattern` of the door over HTTP); undefined: none. */
  readonly forwardedHeaders?: RegExp | undefined;
  /** undefined: nothing is traced. */
  readonly tracing?: RequestTracing | undefined;
  /** For seeds that clients leave open. */
  readonly random: Random;
}
