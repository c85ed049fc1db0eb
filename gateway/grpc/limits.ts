/** What a gRPC server takes, and how long it waits. Pure. */
import type { ConnectionLimits } from "../http2/limits.ts";

export interface GrpcLimits extends ConnectionLimits {
  /** Of one message, as sent and inflated. */
  readonly messageBytesMax: number;
  /** Of all requests that are being read or handled, together; eight times `messageBytesMax` unless said. */
  readonly messagesBytesMax: number;
  readonly connectionsMax: number;
  /** The request of a unary call: the call ends when nothing of it comes for so long. */
  readonly requestIdleMsMax: number;
  /** How exactly the times above are kept. */
  readonly sweepMs: number;
}

/** Connection settings of Triton's where it has them (`--grpc-keepalive-time` and so on). */
const DEFAULTS: Omit<GrpcLimits, "messagesBytesMax"> = {
  messageBytesMax: 64 * 1024 * 1024,
  streamsMax: 256,
  connectionsMax: 4096,
  resetsPerSecondMax: 200,
  handshakeMsMax: 10_000,
  requestIdleMsMax: 10_000,
  unreadMsMax: 30_000,
  keepaliveMs: 7_200_000,
  keepaliveAnswerMsMax: 20_000,
  pingIntervalMsMin: 300_000,
  pingStrikesMax: 2,
  connectionAgeMsMax: undefined,
  connectionAgeGraceMs: undefined,
  sweepMs: 1_000,
};

/** The defaults, but for what is given. */
export function grpcLimits(given: Partial<GrpcLimits> = {}): GrpcLimits {
  const { messageBytesMax } = { ...DEFAULTS, ...given };
  return { ...DEFAULTS, messagesBytesMax: 8 * messageBytesMax, ...given };
}
