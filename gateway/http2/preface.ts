/** What a connection opens with: HTTP/2's preface, or something else, which is told so. Source: RFC 9113, section 3.4. Pure. */
import type { Buffer } from "node:buffer";
import { PREFACE } from "./wire-format.ts";

const TEXT = "This port speaks HTTP/2 alone: use a gRPC client, or the HTTP port.\n";
const HTTP_1 = /^[A-Z]{3,10} \S+ HTTP\/1/;

/** For whoever speaks HTTP/1. */
export const VERSION_ANSWER = `HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${TEXT.length}\r\n\r\n${TEXT}`;

/** `partial`: as far as it goes it is the preface. */
export function openingOf(bytes: Buffer): "preface" | "partial" | "http/1" | "unknown" {
  const { byteLength } = PREFACE;
  if (bytes.compare(PREFACE, 0, Math.min(bytes.byteLength, byteLength), 0, Math.min(bytes.byteLength, byteLength)) === 0) {
    return bytes.byteLength < byteLength ? "partial" : "preface";
  }
  return HTTP_1.test(bytes.toString("latin1", 0, 4096)) ? "http/1" : "unknown";
}
