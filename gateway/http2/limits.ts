/** What a connection's client may do, and how long is waited for it. Pure. */

export interface ConnectionLimits {
  /** Streams at once on one connection. */
  readonly streamsMax: number;
  /** Streams that a client may reset, or have reset by doing wrong, a second; twice `streamsMax` in one go. */
  readonly resetsPerSecondMax: number;
  /** A connection has to become HTTP/2 in this time. */
  readonly handshakeMsMax: number;
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
}
