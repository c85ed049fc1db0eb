/** Every call that was recorded at Triton over gRPC, and its answer: status, details and messages. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GRPCInferenceService, ModelInferRequestSchema, ModelStreamInferResponseSchema } from "../../protos/gen/grpc_service_pb.ts";
import { Health } from "../../protos/gen/health_pb.ts";
import { asJson, fromRecorded, GrpcClient } from "./grpc-client.ts";
import { type GrpcDoor, startGrpcDoor } from "./grpc-door.ts";
import { streamBytes } from "./grpc-stream-bytes.ts";

const CAPTURES = join(import.meta.dirname, "../golden/captures-grpc");
const COMPATIBILITY = join(import.meta.dirname, "../../COMPATIBILITY.md");

interface Capture {
  readonly method: string;
  readonly code: string;
  readonly details: string;
  readonly request: readonly JsonObject[] | "large";
  readonly response: readonly JsonValue[];
}

/** What is answered otherwise, and why; COMPATIBILITY.md lists it, too. */
const DEVIATIONS: Readonly<Record<string, { readonly code: string; readonly details: string }>> = {
  // Newer releases refuse it, and so does the door over HTTP.
  err_dup_out: { code: "INVALID_ARGUMENT", details: "[request id: <id_unknown>] output 'OUTPUT0' already exists in request" },
  // This Triton served no reflection.
  reflection: { code: "OK", details: "" },
};

/** Their values are a clock's, or in the order of a hash table. */
const COMPARED_AS_JSON = /^(stats|config|log|trace|infer_ens)/;

const names = readdirSync(CAPTURES)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length))
  .sort();

test.each(names)("%s is answered as Triton answered it, or as COMPATIBILITY.md says", async (name) => {
  const capture: Capture = JSON.parse(readFileSync(join(CAPTURES, `${name}.json`), "utf8"));
  await using door = await startGrpcDoor();
  const ours = await answers(door, capture, name);
  const { code, details } = DEVIATIONS[name] ?? capture;
  expect({ code: ours.code, details: ours.details }).toEqual({ code, details });
  if (DEVIATIONS[name] !== undefined) return;
  if (capture.request === "large") {
    expect(ours.messages.map(({ byteLength }) => ({ bytes: byteLength }))).toEqual(capture.response);
    return;
  }
  expect(ours.messages).toHaveLength(capture.response.length);
  const output = messageOf(capture.method).output;
  ours.messages.forEach((message, index) => {
    const recorded = readFileSync(join(CAPTURES, `${name}.${index}.bin`));
    if (COMPARED_AS_JSON.test(name)) expect(asJson(output, message)).toEqual(asJson(output, recorded));
    else expect(Buffer.from(message).toString("hex")).toBe(recorded.toString("hex"));
  });
});

test("every message that was recorded is compared", () => {
  const messages = names.flatMap((name) => {
    const { request, response }: Capture = JSON.parse(readFileSync(join(CAPTURES, `${name}.json`), "utf8"));
    return request === "large" ? [] : response.map((_, index) => `${name}.${index}.bin`);
  });
  const files = readdirSync(CAPTURES).filter((file) => !file.endsWith(".json"));
  expect(files.toSorted()).toEqual(messages.toSorted());
});

test("COMPATIBILITY.md lists the calls that are answered otherwise, and no others", () => {
  const list = /<!-- calls -->\n([\s\S]*?)<!-- \/calls -->/.exec(readFileSync(COMPATIBILITY, "utf8"))?.[1] ?? "";
  const listed = [...list.matchAll(/^- `([^`]+)`: /gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual(Object.keys(DEVIATIONS).toSorted());
});

interface Answers {
  readonly code: string;
  readonly details: string;
  readonly messages: readonly Uint8Array[];
}

async function answers(door: GrpcDoor, { method, request }: Capture, name: string): Promise<Answers> {
  if (method.endsWith("/ModelStreamInfer") || method.includes("ServerReflection")) {
    const recorded = request === "large" ? [] : request;
    const bytes = recorded.map((message) =>
      method.includes("Reflection") ? new Uint8Array() : fromRecorded(ModelInferRequestSchema, message),
    );
    return streamBytes(door.port, method, bytes);
  }
  using client = new GrpcClient(door.port);
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

function messageOf(path: string): { readonly input: DescMessage; readonly output: DescMessage } {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const found = [...GRPCInferenceService.methods, ...Health.methods].find((method) => method.name === name);
  if (found === undefined) return { input: ModelInferRequestSchema, output: ModelStreamInferResponseSchema };
  return found;
}
