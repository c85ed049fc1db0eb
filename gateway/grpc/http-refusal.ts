/** Answers what is HTTP/2 and no gRPC: somebody came with a browser or curl. */
import { headerBlock } from "../http2/hpack/encoder.ts";
import type { RequestHeaders } from "../http2/request-headers.ts";
import type { ServerStream, StreamHandler } from "../http2/server-stream.ts";

const TEXT = Buffer.from("This is a gRPC server: it takes POST with content-type application/grpc.\n");
const NO_TRAILERS = headerBlock({});

/** The HTTP status for what is no gRPC; undefined for what is. */
export function httpRefusal({ method, fields, oversized }: RequestHeaders): string | undefined {
  if (method !== "POST") return "405";
  return oversized || fields.get("content-type")?.startsWith("application/grpc") === true ? undefined : "415";
}

/** Reads the request to its end, and answers then. */
export class RefusedRequest implements StreamHandler {
  readonly #stream: ServerStream;
  readonly #status: string;

  constructor(stream: ServerStream, status: string) {
    this.#stream = stream;
    this.#status = status;
  }

  data(bytes: Uint8Array): void {
    this.#stream.use(bytes.byteLength);
  }

  end(): void {
    this.#stream.answer(headerBlock({ ":status": this.#status, "content-type": "text/plain" }), [TEXT], NO_TRAILERS);
  }

  gone(): void {}

  drained(): void {}
}
