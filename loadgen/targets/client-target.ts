/** Inferences through the project's clients: with TLS, or on gRPC's streams. */
import { GrpcClient } from "../../client/grpc/grpc-client.ts";
import { HttpClient } from "../../client/http/http-client.ts";
import type { Target } from "../channel.ts";
import { clientChannel, StreamChannel } from "../channels/client-calls.ts";
import type { TargetOptions } from "./target-options.ts";

export interface ClientTargetOptions extends TargetOptions {
  readonly protocol: "http" | "grpc";
  /** gRPC: all requests of a channel on one stream. */
  readonly streaming: boolean;
}

export function clientTarget({ url, headers, requests, protocol, streaming, compression }: ClientTargetOptions): Target {
  if (protocol === "http") {
    const client = new HttpClient(url.href, { headers });
    return { open: () => Promise.resolve(clientChannel(client, requests)), [Symbol.asyncDispose]: () => client.close() };
  }
  const client = new GrpcClient(url.host, { headers, tls: url.protocol === "https:", ...(compression && { compression }) });
  return {
    open: async () => (streaming ? await StreamChannel.open(client, requests) : clientChannel(client, requests)),
    [Symbol.asyncDispose]: () => client.close(),
  };
}
