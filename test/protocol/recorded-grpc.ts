/** What was recorded at Triton over gRPC, how it is sent again, and what is answered otherwise here. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { GRPCInferenceService, ModelInferRequestSchema, ModelStreamInferResponseSchema } from "../../protos/gen/grpc_service_pb.ts";
import { Health } from "../../protos/gen/health_pb.ts";
import { fromRecorded, GrpcClient } from "./grpc-client.ts";
import { type StreamOutcome, streamBytes } from "./grpc-stream-bytes.ts";

export const GRPC_CAPTURES = join(import.meta.dirname, "../golden/captures-grpc");

export interface Capture {
  readonly method: string;
  readonly code: string;
  readonly details: string;
  readonly request: readonly JsonObject[] | "large";
  readonly response: readonly JsonValue[];
}

/** What is answered otherwise, and why; COMPATIBILITY.md lists it, too. */
export const GRPC_DEVIATIONS: Readonly<Record<string, { readonly code: string; readonly details: string }>> = {
  // Newer releases refuse it, and so does the door over HTTP.
  err_dup_out: { code: "INVALID_ARGUMENT", details: "[request id: <id_unknown>] output 'OUTPUT0' already exists in request" },
  // This Triton served no reflection.
  reflection: { code: "OK", details: "" },
};

export function recordedCalls(): readonly string[] {
  const files = readdirSync(GRPC_CAPTURES).filter((file) => file.endsWith(".json"));
  return files.map((file) => file.slice(0, -".json".length)).sort();
}

export const recordedCall = (name: string): Capture => JSON.parse(readFileSync(join(GRPC_CAPTURES, `${name}.json`), "utf8"));

export async function callAgain(port: number, name: string): Promise<StreamOutcome> {
  const { method, request } = recordedCall(name);
  if (method.endsWith("/ModelStreamInfer") || method.includes("ServerReflection")) {
    const recorded = request === "large" ? [] : request;
    const bytes = recorded.map((message) =>
      method.includes("Reflection") ? new Uint8Array() : fromRecorded(ModelInferRequestSchema, message),
    );
    return streamBytes(port, method, bytes);
  }
  using client = new GrpcClient(port);
  const bytes = request === "large" ? largeRequest(name) : fromRecorded(messageOf(method).input, request[0] ?? {});
  const { code, details, message } = await client.bytes(method, bytes);
  return { code, details, messages: message === undefined ? [] : [message] };
}

/** `infer_8mb`: zeros, as much as the name says. */
function largeRequest(name: string): Uint8Array {
  const mebibytes = Number(/(\d+)mb/.exec(name)?.[1]);
  const raw = Buffer.alloc(mebibytes * 1024 * 1024);
  return fromRecorded(ModelInferRequestSchema, {
    model_name: "identity_fp32",
    inputs: [{ name: "INPUT0", datatype: "FP32", shape: ["1", String(raw.byteLength / 4)] }],
    raw_input_contents: [raw.toString("base64")],
  });
}

export function messageOf(path: string): { readonly input: DescMessage; readonly output: DescMessage } {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const found = [...GRPCInferenceService.methods, ...Health.methods].find((method) => method.name === name);
  if (found === undefined) return { input: ModelInferRequestSchema, output: ModelStreamInferResponseSchema };
  return found;
}
