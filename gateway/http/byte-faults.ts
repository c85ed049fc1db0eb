/** Answers what is no HTTP, or comes too slowly, by bytes: there is no request to answer. Pure. */

const FAULTS: Readonly<Record<string, readonly [line: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the headers exceed 16 KiB"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request did not arrive in time"],
};

/** @param code of Node's error */
export function byteFaultAnswer(code: string | undefined): string {
  const [line, message] = FAULTS[code ?? ""] ?? ["400 Bad Request", "the request is not HTTP/1.1"];
  const body = JSON.stringify({ error: message });
  return `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
