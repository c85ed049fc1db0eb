/** Answers what is no HTTP, or comes too slowly, by bytes: there is no request to answer. Pure. */
import type { HeadFault } from "./request-head.ts";

const FAULTS: Readonly<Record<HeadFault | "too-slow", readonly [line: string, message: string]>> = {
  "no-http": ["400 Bad Request", "the request is not HTTP/1.1"],
  "head-too-large": ["431 Request Header Fields Too Large", "the headers exceed 16 KiB"],
  "too-slow": ["408 Request Timeout", "the request did not arrive in time"],
};

export function byteFaultAnswer(fault: HeadFault | "too-slow"): string {
  const [line, message] = FAULTS[fault];
  const body = JSON.stringify({ error: message });
  return `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
