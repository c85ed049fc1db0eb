/** Writes the head of an answer. */
import { STATUS_CODES } from "node:http";
import { ServingError } from "../../core/errors.ts";

/** What a head says besides the answer's own headers. */
export interface HeadContext {
  /** For the Date header. */
  readonly date: string;
  /** undefined: the connection closes behind the answer. */
  readonly keepAliveSeconds: number | undefined;
  /** Such as those for pages of other origins. */
  readonly extra: Readonly<Record<string, string>> | undefined;
}

/** How the end of the body is told: its bytes, chunks, or the connection's end. */
export type Framing = number | "chunked" | "until-close";

const FORBIDDEN = /[^\t\x20-\x7e]/;
const lines = new Map<number, string>();

/** @throws ServingError INTERNAL for a header that would break the head */
export function answerHead(status: number, headers: Readonly<Record<string, string>>, framing: Framing, context: HeadContext): string {
  let text = statusLine(status) + fieldLines(headers);
  if (typeof framing === "number") {
    if (headers["cache-control"] === undefined) text += "cache-control: no-store\r\n";
    if (status !== 204) text += `content-length: ${framing}\r\n`;
  } else if (framing === "chunked") {
    text += "transfer-encoding: chunked\r\n";
  }
  if (context.extra !== undefined) text += fieldLines(context.extra);
  text += `x-content-type-options: nosniff\r\n${context.date}`;
  return text + (context.keepAliveSeconds === undefined ? "connection: close\r\n\r\n" : keepAlive(context.keepAliveSeconds));
}

function statusLine(status: number): string {
  let line = lines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
    lines.set(status, line);
  }
  return line;
}

function fieldLines(headers: Readonly<Record<string, string>>): string {
  let text = "";
  for (const name in headers) {
    const value = headers[name] ?? "";
    if (FORBIDDEN.test(value)) throw new ServingError("INTERNAL", `the header ${name} of an answer has characters that no header may have`);
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

const keepAlive = (seconds: number): string => `connection: keep-alive\r\nkeep-alive: timeout=${seconds}\r\n\r\n`;
