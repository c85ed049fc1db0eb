/** The metrics port: `/metrics` in Prometheus' text form. Any other path is 200 and empty, as on Triton's. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ServingError } from "../../core/errors.ts";
import { READS_METRICS } from "../access/access.ts";
import { type Guard, OPEN_GUARD } from "../access/guard.ts";
import type { TlsSource } from "../access/tls.ts";
import { isLoopbackHost, knownHost } from "./host-check.ts";
import { type ListenAddress, listeningError } from "./listening-error.ts";
import { nodeServer } from "./node-server.ts";
import { pathOf } from "./path-pattern.ts";

export interface MetricsServerOptions extends ListenAddress {
  readonly metricsText: () => Promise<string>;
  readonly guard?: Guard;
  /** undefined: in plain text. */
  readonly tls?: TlsSource | undefined;
}

export interface MetricsServer extends AsyncDisposable {
  readonly port: number;
  close(): Promise<void>;
}

interface MetricsAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; version=0.0.4; charset=utf-8";
const HEADERS_MS_MAX = 10_000;

/** @throws ServingError when the port cannot be listened on. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const onLoopback = isLoopbackHost(options.host);
  const times = { headersTimeout: HEADERS_MS_MAX, requestTimeout: HEADERS_MS_MAX };
  const handle = async (request: IncomingMessage, response: ServerResponse) => send(response, await answer(request, options, onLoopback));
  const server = nodeServer(times, handle, options.tls);
  try {
    server.listen(options.port, options.host);
    await once(server, "listening");
  } catch (thrown) {
    throw listeningError(thrown, "metrics", options);
  }
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}

async function answer(
  request: IncomingMessage,
  { metricsText, guard = OPEN_GUARD }: MetricsServerOptions,
  onLoopback: boolean,
): Promise<MetricsAnswer> {
  if (onLoopback && !knownHost(request.headers.host)) return failure(421, "Misdirected Request");
  const path = pathOf(request.url ?? "");
  if (path !== "/metrics" && path !== "/metrics/") return { status: 200, type: TEXT, body: "" };
  if (request.method !== "GET") return failure(405, "Method Not Allowed");
  try {
    guard.admit(READS_METRICS, { fromLoopback: true, header: (name) => String(request.headers[name] ?? "") });
  } catch (thrown) {
    const { code, message } = ServingError.from(thrown);
    return failure(code === "UNAUTHENTICATED" ? 401 : 403, message);
  }
  try {
    return { status: 200, type: TEXT, body: await metricsText() };
  } catch {
    return failure(500, "the metrics cannot be read");
  }
}

function failure(status: number, message: string): MetricsAnswer {
  return { status, type: "application/json", body: JSON.stringify({ error: message }) };
}

function send(response: ServerResponse, { status, type, body }: MetricsAnswer): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), "x-content-type-options": "nosniff" });
  response.end(body);
}
