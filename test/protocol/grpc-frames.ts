/** HTTP/2 frame by frame, for what no client does. Headers are sent without Huffman coding and not decoded. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const HEADER_BYTES = 9;
const PAYLOAD_BYTES_MAX = 16_384;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A literal header field without indexing. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}

export interface CallHeaders {
  readonly end?: boolean;
  readonly more?: Readonly<Record<string, string>>;
}

/** HEADERS of a call, whole. */
export function callHeaders(stream: number, path: string, { end = false, more = {} }: CallHeaders = {}): Buffer {
  const fields = { ":path": path, ":authority": "localhost", "content-type": "application/grpc", te: "trailers", ...more };
  const block = [Buffer.from([0x83, 0x86]), ...Object.entries(fields).map(([name, value]) => literal(name, value))]; // POST, http
  return frame(FRAME.headers, end ? 5 : 4, stream, Buffer.concat(block));
}

/** A message with its prefix, in as many DATA frames as it takes. */
export function message(stream: number, bytes: Uint8Array, { end = true, compressed = false } = {}): Buffer {
  const framed = Buffer.concat([Buffer.from([compressed ? 1 : 0]), u32(bytes.byteLength), bytes]);
  const frames: Buffer[] = [];
  for (let start = 0; start < framed.byteLength; start += PAYLOAD_BYTES_MAX) {
    const isLast = start + PAYLOAD_BYTES_MAX >= framed.byteLength;
    frames.push(frame(FRAME.data, end && isLast ? 1 : 0, stream, framed.subarray(start, start + PAYLOAD_BYTES_MAX)));
  }
  return Buffer.concat(frames);
}

export class FrameClient implements Disposable {
  readonly #socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  #changed = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("close", () => {
      this.closed = true;
      this.#change();
    });
    socket.on("error", () => undefined); // resets are part of the tests
  }

  /** @param settings their payload; false: not even the preface is sent */
  static async open(port: number, settings: Uint8Array | false = new Uint8Array()): Promise<FrameClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const client = new FrameClient(socket);
    if (settings !== false) client.send(PREFACE, frame(FRAME.settings, 0, 0, settings));
    return client;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(parts));
  }

  /** Waits for a frame, or for the end of the connection: then undefined. */
  async until(isIt: (frame: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const found = this.frames.find(isIt);
      if (found !== undefined || this.closed) return found;
      await this.#changed.promise;
    }
  }

  async ended(): Promise<void> {
    while (!this.closed) await this.#changed.promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    let rest = Buffer.concat([this.#rest, bytes]);
    while (rest.byteLength >= HEADER_BYTES) {
      const length = rest.readUIntBE(0, 3);
      if (rest.byteLength < HEADER_BYTES + length) break;
      const payload = rest.subarray(HEADER_BYTES, HEADER_BYTES + length);
      const taken = { type: rest[3] ?? 0, flags: rest[4] ?? 0, stream: rest.readUInt32BE(5), payload };
      this.frames.push(taken);
      if (taken.type === FRAME.settings && (taken.flags & 1) === 0) this.send(frame(FRAME.settings, 1, 0));
      rest = rest.subarray(HEADER_BYTES + length);
    }
    this.#rest = rest;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
