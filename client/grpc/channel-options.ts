/** How a channel of grpc-js is opened. */
import type { ChannelCredentials, ChannelOptions } from "@grpc/grpc-js";
import type { ClientOptions } from "../client.ts";

type GrpcJs = typeof import("@grpc/grpc-js");

/** PEM. */
export interface GrpcTlsOptions {
  /** Instead of the system's authorities. */
  readonly rootCertificates?: Uint8Array;
  /** With `certificateChain`, for servers that ask who calls. */
  readonly privateKey?: Uint8Array;
  readonly certificateChain?: Uint8Array;
}

/** Pings on connections, so that a dead one is noticed. */
export interface GrpcKeepAlive {
  readonly timeMs: number;
  /** How long an answer may take. */
  readonly timeoutMs?: number;
  /** Also while no call runs. */
  readonly withoutCalls?: boolean;
}

export interface GrpcClientOptions extends ClientOptions {
  /** In plain text unless said; true: with the system's authorities. */
  readonly tls?: boolean | GrpcTlsOptions;
  readonly keepAlive?: GrpcKeepAlive;
  /** Of one message, either way; without limit unless said. */
  readonly messageBytesMax?: number;
}

export function credentials({ credentials: kinds }: GrpcJs, tls: boolean | GrpcTlsOptions | undefined): ChannelCredentials {
  if (tls === undefined || tls === false) return kinds.createInsecure();
  if (tls === true) return kinds.createSsl();
  const pem = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : Buffer.from(bytes));
  return kinds.createSsl(pem(tls.rootCertificates), pem(tls.privateKey), pem(tls.certificateChain));
}

export function channelOptions(
  { compressionAlgorithms }: GrpcJs,
  { compression, keepAlive, messageBytesMax = -1 }: GrpcClientOptions,
): ChannelOptions {
  return {
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.use_local_subchannel_pool": 1, // a client's connections are its own, and end with it
    ...(compression !== undefined && { "grpc.default_compression_algorithm": compressionAlgorithms[compression] }),
    ...(keepAlive !== undefined && {
      "grpc.keepalive_time_ms": keepAlive.timeMs,
      ...(keepAlive.timeoutMs !== undefined && { "grpc.keepalive_timeout_ms": keepAlive.timeoutMs }),
      "grpc.keepalive_permit_without_calls": keepAlive.withoutCalls === true ? 1 : 0,
    }),
  };
}
