/**
 * The package's `nereid/client`: clients for inference servers that speak KServe v2, such as Nereid and Triton, over HTTP and gRPC.
 *
 * ```ts
 * import { HttpClient, tensor } from "nereid/client";
 *
 * await using client = new HttpClient("http://127.0.0.1:8000");
 * const result = await client.infer({ model: "identity", inputs: [tensor("INPUT0", "FP32", [1, 4], [1, 2, 3, 4])] });
 * console.log(result.output("OUTPUT0").as("FP32"));
 * ```
 */
export type { ErrorCode } from "../core/errors.ts";
export type { ParameterValue } from "../core/messages/parameter-value.ts";
export type { Dtype } from "../core/tensor/dtype.ts";
export type { Shape, Tensor } from "../core/tensor/tensor.ts";
export type {
  BatchStatistics,
  Duration,
  Durations,
  LogSettings,
  MemoryUsage,
  ModelConfig,
  ModelIndexEntry,
  ModelMetadata,
  ModelStatistics,
  ServerMetadata,
  SystemRegion,
  TensorMetadata,
  TraceSettings,
} from "./answers.ts";
export type { CallOptions, Client, ClientOptions, Compression, LoadOverrides, ModelCallOptions, RegionOptions } from "./client.ts";
export { ClientError } from "./client-error.ts";
export type { ElementArrays, ElementValues } from "./elements.ts";
export type { GrpcClientOptions, GrpcKeepAlive, GrpcTlsOptions } from "./grpc/channel-options.ts";
export { GrpcClient } from "./grpc/grpc-client.ts";
export type { InferStream, InferStreamItem } from "./grpc/infer-stream.ts";
export type { HttpClientOptions } from "./http/exchange.ts";
export type { GenerateAnswer, GenerateRequest, GenerateStreamOptions, GenerateValue } from "./http/generate.ts";
export { HttpClient } from "./http/http-client.ts";
export type { InferRequest, RequestedOutput, SequenceStep } from "./infer-request.ts";
export type { InferResult } from "./infer-result.ts";
export type { OutputTensor } from "./output-tensor.ts";
export { type InferInput, rawTensor, type SharedRange, type SharedTensor, sharedTensor, tensor } from "./tensor-input.ts";
