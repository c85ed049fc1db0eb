/** Reads HTTP/1.1 answers from raw bytes, as they came over a socket. */
import { gunzipSync, inflateSync } from "node:zlib";

export interface HttpReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Whole, without chunk marks, inflated. */
  readonly body: Buffer;
}

export interface ReplyOptions {
  /** Answers to HEAD have no body, whatever they announce. */
  readonly isHead?: boolean;
  /** Recorded answers were shortened after they had announced their length. */
  readonly isRecorded?: boolean;
}

/** The final answers in order; interim ones (100) are passed over. */
export function parseReplies(bytes: Buffer, { isHead = false, isRecorded = false }: ReplyOptions = {}): readonly HttpReply[] {
  const replies: HttpReply[] = [];
  let rest = bytes;
  for (;;) {
    const headEnd = rest.indexOf("\r\n\r\n");
    if (headEnd === -1) return replies;
    const [statusLine = "", ...lines] = rest.subarray(0, headEnd).toString("latin1").split("\r\n");
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const status = Number(statusLine.split(" ")[1]);
    rest = rest.subarray(headEnd + 4);
    if (status === 100) continue;
    const isChunked = headers.get("transfer-encoding") === "chunked";
    const announced = isHead ? 0 : Number(headers.get("content-length") ?? 0);
    const found = isChunked ? chunkedBody(rest) : plainBody(rest, isRecorded ? Math.min(announced, rest.length) : announced);
    if (found === undefined) return replies; // cut short
    replies.push({ status, headers, body: inflated(found.body, headers.get("content-encoding")) });
    rest = found.after;
  }
}

interface FoundBody {
  readonly body: Buffer;
  readonly after: Buffer;
}

function plainBody(rest: Buffer, length: number): FoundBody | undefined {
  return rest.length < length ? undefined : { body: rest.subarray(0, length), after: rest.subarray(length) };
}

function chunkedBody(rest: Buffer): FoundBody | undefined {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString("latin1"), 16);
    const start = lineEnd + 2;
    at = start + size + 2;
    if (size === 0) return { body: Buffer.concat(chunks), after: rest.subarray(at) };
    chunks.push(rest.subarray(start, start + size));
  }
}

function inflated(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === "gzip") return gunzipSync(body);
  return encoding === "deflate" ? inflateSync(body) : body;
}
