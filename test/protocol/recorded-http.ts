/** What was recorded at Triton over HTTP, how it is sent again, and what is answered otherwise here. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type HttpReply, parseReplies } from "./http-reply.ts";
import { RawClient } from "./raw-client.ts";

export const CAPTURES = join(import.meta.dirname, "../golden/captures");

/** `http` has a server that had loaded all of its models, `http_explicit` one that loads as it is told. */
export type CaptureFolder = "http" | "http_explicit";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const error = (status: number, message: string): Answer => ({ status, body: JSON.stringify({ error: message }) });
const tooLarge = (bytes: number) =>
  error(
    400,
    `request JSON size of ${bytes} bytes exceeds the maximum allowed input size of 67108864 bytes. ` +
      "Use --http-max-input-size to increase the limit.",
  );

/** What is answered instead, for the captures that COMPATIBILITY.md lists. */
export const DEVIATIONS: Readonly<Record<string, Answer>> = {
  err_dup_output: error(400, "[request id: <id_unknown>] output 'OUTPUT0' already exists in request"),
  err_extra_input: error(
    400,
    "[request id: <id_unknown>] expected 1 inputs but got 2 inputs for model 'identity_fp32'. Got input(s) ['INPUT0','ZZ'], but missing " +
      "required input(s) []. Please provide all required input(s).",
  ),
  err_gzip_bad: error(400, "failed to decompress the request body: it is not gzip"),
  err_ihcl_bad: error(400, "Unable to parse Inference-Header-Content-Length, got: abc"),
  err_ihcl_huge: error(
    400,
    "Unable to parse Inference-Header-Content-Length, value is out of range [ -2147483648, 2147483647 ], got: 99999999999999999999",
  ),
  err_shape_overflow: error(
    400,
    "invalid shape for input 'INPUT0': shape [1,9223372036854775807,4] causes total element count to exceed maximum size of " +
      "9223372036854775807",
  ),
  garbage: error(400, "the request is not HTTP/1.1"),
  generate_stream_err: error(
    500,
    "Failed to process the request(s) for model 'raises_0_0', message: ValueError: boom\n\nAt:\n  /models/raises/1/model.py(4): execute\n",
  ),
  head_v2: { status: 405, body: "" },
  metrics: { status: 200, body: "" },
  oversize_binary_68MB: tooLarge(68_000_177),
  oversize_claimed_only: tooLarge(99_999_999_999),
  oversize_json_68MB: tooLarge(68_000_013),
};

export function recordedNames(folder: CaptureFolder): readonly string[] {
  const files = readdirSync(join(CAPTURES, folder)).filter((file) => file.endsWith(".req"));
  return files.map((file) => file.slice(0, -".req".length)).sort();
}

/** Triton gave none to some. */
export function recordedReply(folder: CaptureFolder, name: string): HttpReply | undefined {
  return parseReplies(readFileSync(join(CAPTURES, folder, `${name}.res`)), { isRecorded: true })[0];
}

export interface Ports {
  readonly http: number;
  readonly metrics: number;
}

/** Sends the recorded bytes on a connection of their own. @returns the first answer: no more were recorded */
export async function askAgain(folder: CaptureFolder, name: string, { http, metrics }: Ports): Promise<HttpReply> {
  // The recorder's Host `x` is refused on a loopback address (COMPATIBILITY.md).
  const request = readFileSync(join(CAPTURES, folder, `${name}.req`), "latin1").replaceAll("\r\nHost: x\r\n", "\r\nHost: localhost\r\n");
  using client = await RawClient.open(request.includes("\r\nHost: localhost:8002\r\n") ? metrics : http);
  client.send(Buffer.from(request, "latin1"));
  for (let bytes = ""; ; ) {
    bytes += await client.until(/./s);
    const [reply] = parseReplies(Buffer.from(bytes, "latin1"), { isHead: request.startsWith("HEAD") });
    if (reply !== undefined) return reply;
  }
}

/** Numbers that a clock or a count made are all one. */
export function comparable(name: string, reply: HttpReply | undefined): Answer {
  const { status = 0, body = Buffer.alloc(0) } = reply ?? {};
  const text = body.toString("latin1");
  if (!name.includes("stats")) return { status, body: text };
  const counted = text
    .replaceAll(/:\d+/g, ":0")
    .replaceAll(/"batch_stats":\[.*?\],"memory_usage"/g, '"batch_stats":[],"memory_usage"')
    .replaceAll(/"response_stats":\{.*?\},"batch_stats"/g, '"response_stats":{},"batch_stats"');
  return { status, body: counted };
}
