/** Node's HTTP/2 as client: calls whose headers and messages a test writes by itself, and what comes back. */
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders, type Settings } from "node:http2";

export interface Reply {
  readonly status: number;
  /** `grpc-status`, wherever it stands; undefined: it was not sent. */
  readonly code: string | undefined;
  readonly details: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** The code with which the stream was reset; 0: it was not. */
  readonly reset: number;
}

export class Http2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session;

  constructor(port: number, settings: Settings = {}) {
    this.session = connect(`http://127.0.0.1:${port}`, { settings });
    this.session.on("error", () => undefined);
  }

  open(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => undefined);
    return stream;
  }

  /** One call with this body, all at once. */
  call(path: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
    const stream = this.open(path, headers);
    stream.end(body);
    return replyOf(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return;
    this.session.destroy();
    await once(this.session, "close");
  }
}

/** Reads to the end. */
export function replyOf(stream: ClientHttp2Stream): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const chunks: Buffer[] = [];
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on("response", (received) => {
    headers = { ...received };
  });
  stream.on("trailers", (received) => {
    trailers = { ...received };
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("close", () => {
    const text = (name: string): string | undefined => {
      const value = trailers[name] ?? headers[name];
      return typeof value === "string" ? value : undefined;
    };
    const status = headers[":status"];
    resolve({
      status: typeof status === "number" ? status : 0,
      code: text("grpc-status"),
      details: decodeURIComponent(text("grpc-message") ?? ""),
      headers,
      body: Buffer.concat(chunks),
      reset: stream.rstCode ?? 0,
    });
  });
  return promise;
}

/** A message with its prefix. */
export function framed(bytes: Uint8Array | string, flag = 0): Buffer {
  const payload = Buffer.from(bytes);
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(payload.byteLength, 1);
  return Buffer.concat([prefix, payload]);
}
