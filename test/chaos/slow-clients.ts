/** Clients that ask for a long stream over gRPC and read nothing of it, or a byte a second. */
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { systemClock } from "../../core/clock.ts";
import { ModelInferRequestSchema } from "../../protos/gen/grpc_service_pb.ts";
import { framed, Http2Client } from "../protocol/grpc-http2-client.ts";
import { LANGUAGE } from "./chaos-models.ts";

export interface SlowClient extends AsyncDisposable {
  /** Whether the server has given the client up. */
  readonly isCut: boolean;
}

/** Of the longest answer that fits beside the prompt: more than waits anywhere. */
const TOKENS = 1_000;
/** So little fits the client: HTTP/2's own 64 KB are hundreds of tokens. */
const WINDOW = { initialWindowSize: 1_024 };
const BYTE_EVERY_MS = 1_000;

export async function slowClient(port: number, { reads }: { readonly reads: "nothing" | "a byte a second" }): Promise<SlowClient> {
  const client = new Http2Client(port, WINDOW);
  const stream = client.open("/inference.GRPCInferenceService/ModelStreamInfer");
  stream.pause();
  stream.end(LONG_GENERATION);
  await once(stream, "response");
  const stop = reads === "nothing" ? () => {} : everySecond(() => stream.read(1));
  return {
    get isCut() {
      return stream.closed || stream.destroyed || client.session.destroyed;
    },
    [Symbol.asyncDispose]: async () => {
      stop();
      await client[Symbol.asyncDispose]();
    },
  };
}

function everySecond(act: () => void): () => void {
  let takeBack = () => {};
  const next = () => {
    act();
    takeBack = systemClock.after(BYTE_EVERY_MS, next);
  };
  next();
  return () => takeBack();
}

const input = (
  name: string,
  datatype: string,
  contents: { readonly bytesContents: Uint8Array[] } | { readonly intContents: number[] },
) => ({ name, datatype, shape: [1n], contents });
const LONG_GENERATION = framed(
  toBinary(
    ModelInferRequestSchema,
    create(ModelInferRequestSchema, {
      modelName: LANGUAGE,
      parameters: { top_k: { parameterChoice: { case: "int64Param", value: 1n } } }, // it counts, and never ends
      inputs: [
        input("text_input", "BYTES", { bytesContents: [new TextEncoder().encode("1, 2, 3, 4, 5, 6, 7, 8,")] }),
        input("max_tokens", "INT32", { intContents: [TOKENS] }),
      ],
    }),
  ),
);
