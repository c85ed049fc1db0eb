/** The little of HTTP/2 (RFC 9113) and HPACK (RFC 7541) that a client of unary gRPC calls needs. Pure. */
import { Buffer } from "node:buffer";
import { ServingError } from "../../core/errors.ts";

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;
export const SETTING = { headerTableSize: 1, initialWindowSize: 4, maxFrameSize: 5 } as const;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
export const HEAD_BYTES = 9;
/** Before the peer has said anything else. */
export const DEFAULT_WINDOW = 65_535;
export const DEFAULT_FRAME_BYTES = 16_384;
/** What the peer may send: all that a window can be. */
export const WINDOW_MAX = 2 ** 31 - 1;

export function writeHead(bytes: Buffer, offset: number, { length, type, flags, stream }: FrameHead): void {
  bytes.writeUIntBE(length, offset, 3);
  bytes.writeUInt8(type, offset + 3);
  bytes.writeUInt8(flags, offset + 4);
  bytes.writeUInt32BE(stream, offset + 5);
}

export interface FrameHead {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

export function frame(head: Omit<FrameHead, "length">, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payload.byteLength);
  writeHead(bytes, 0, { ...head, length: payload.byteLength });
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** What a client says first. Without a table of headers, a block of them means the same wherever it stands. */
export function clientHello(): Buffer {
  const settings = Buffer.alloc(12);
  const rows = [
    [SETTING.headerTableSize, 0],
    [SETTING.initialWindowSize, WINDOW_MAX],
  ] as const;
  for (const [index, [name, value]] of rows.entries()) {
    settings.writeUInt16BE(name, index * 6);
    settings.writeUInt32BE(value, index * 6 + 2);
  }
  return Buffer.concat([
    Buffer.from(PREFACE, "latin1"),
    frame({ type: FRAME.settings, flags: 0, stream: 0 }, settings),
    windowUpdate(WINDOW_MAX - DEFAULT_WINDOW),
  ]);
}

/** Of the connection. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame({ type: FRAME.windowUpdate, flags: 0, stream: 0 }, payload);
}

/** The header block of a unary call: static names, literal values that no table keeps. */
export function callHeaders({ authority, path, headers }: CallHead): Buffer {
  const named = Object.entries({ te: "trailers", ...headers }).map(([name, value]) =>
    Buffer.concat([Buffer.of(0), literal(name.toLowerCase()), literal(value)]),
  );
  return Buffer.concat([
    Buffer.of(0x83, 0x86, 0x04), // :method POST, :scheme http, :path
    literal(path),
    Buffer.of(0x01), // :authority
    literal(authority),
    Buffer.of(0x0f, 0x10), // content-type
    literal("application/grpc"),
    ...named,
  ]);
}

export interface CallHead {
  readonly authority: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const rest = bytes.length - 127;
  if (rest >= 2 ** 14) throw new ServingError("INVALID_ARGUMENT", `a header of ${bytes.length} bytes is too long: at most 16000`);
  return Buffer.concat([rest < 128 ? Buffer.of(127, rest) : Buffer.of(127, (rest & 127) | 128, rest >> 7), bytes]);
}
