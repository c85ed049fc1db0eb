/** Inferences over plain gRPC. */
import { inferRequestBytes } from "../../client/grpc/infer-request-bytes.ts";
import { assert } from "../../core/errors.ts";
import type { Target } from "../channel.ts";
import { GrpcConnection, prepareCall } from "../channels/grpc-connection.ts";
import { connect } from "../channels/http-socket.ts";
import type { TargetOptions } from "./target-options.ts";

const PATH = "/inference.GRPCInferenceService/ModelInfer";
/** As many as Triton's own client lets share a connection. */
const CHANNELS_PER_CONNECTION = 6;

export function grpcTarget({ url, headers, requests }: TargetOptions): Target {
  const head = { authority: url.host, path: PATH, headers };
  const prepared = requests.map((request) => prepareCall({ head, message: inferRequestBytes(request) }));
  const connections: GrpcConnection[] = [];
  let room = 0;
  return {
    async open(signal) {
      if (room === 0) {
        connections.push(new GrpcConnection(await connect({ hostname: url.hostname, port: Number(url.port) }, signal), prepared));
        room = CHANNELS_PER_CONNECTION;
      }
      room -= 1;
      const connection = connections.at(-1);
      assert(connection !== undefined, "a connection was just made");
      return connection.channel();
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection[Symbol.dispose]();
    },
  };
}
