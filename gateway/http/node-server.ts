/** Node's HTTP server, in plain text or over TLS with certificates that may be renewed. */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { TlsSource } from "../access/tls.ts";

/** @param tls undefined: in plain text */
export function nodeServer(
  options: ServerOptions & { readonly headersTimeout: number },
  handle: RequestListener,
  tls: TlsSource | undefined,
): Server {
  if (tls === undefined) return createServer(options, handle);
  const server = createSecureServer({ ...options, ...tls.options, handshakeTimeout: options.headersTimeout }, handle);
  tls.onRenewal((renewed) => server.setSecureContext(renewed));
  return server;
}
