/** The numbers of HTTP/2. Source: RFC 9113, sections 6, 7 and 11. Pure. */
import { Buffer } from "node:buffer";

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  concurrentStreamsMax: 3,
  initialWindowSize: 4,
  frameSizeMax: 5,
  headerListSizeMax: 6,
} as const;

/** Why a stream or a connection ends. */
export const ERROR = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;
export type ErrorNumber = (typeof ERROR)[keyof typeof ERROR];

/** What a client says first. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Of a frame: three bytes of length, its type, its flags, four of its stream. */
export const HEAD_BYTES = 9;
/** What a frame may carry where nobody has said else. */
export const FRAME_BYTES = 16_384;
export const FRAME_BYTES_MAX = 2 ** 24 - 1;
/** Windows, of streams and of the connection, where nobody has said else. */
export const WINDOW = 65_535;
export const WINDOW_MAX = 2 ** 31 - 1;
export const TABLE_BYTES = 4_096;

/** The 31 bits of a stream's or a window's number. */
export function number31(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) & 0x7f) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}
