/** What a gRPC server takes, and how long it waits. Pure. */

export interface GrpcLimits {
  /** Of one message, as sent and inflated. */
  readonly messageBytesMax: number;
  /** Of all requests that are being read or handled, together; eight times `messageBytesMax` unless said. */
  readonly messagesBytesMax: number;
  /** Calls at once on one connection. */
  readonly streamsMax: number;
  readonly connectionsMax: number;
  /** Streams that a client may reset, a second; twice `streamsMax` in one go. */
  readonly resetsPerSecondMax: number;
  /** A connection has to become HTTP/2 in this time. */
  readonly handshakeMsMax: number;
  /** The request of a unary call: the call ends when nothing of it comes for so long. */
  readonly requestIdleMsMax: number;
  /** A client that reads nothing of an answer for so long is cut. */
  readonly unreadMsMax: number;
  /** A connection that says nothing for so long is asked whether it is still there. */
  readonly keepaliveMs: number;
  readonly keepaliveAnswerMsMax: number;
  /** A client's pings may come so often while no data flows… */
  readonly pingIntervalMsMin: number;
  /** …and so many too early before its connection ends. */
  readonly pingStrikesMax: number;
  /** A connection's clients are sent to a new one after so long; undefined: never. */
  readonly connectionAgeMsMax: number | undefined;
  /** Its calls are ended so long after that; undefined: never. */
  readonly connectionAgeGraceMs: number | undefined;
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
