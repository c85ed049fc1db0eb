/** Listens for connections, in plain text or over TLS with certificates that may be renewed. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import type { TlsSource } from "../access/tls.ts";

export interface ListenerOptions {
  /** By the name that clients of TLS know it by (ALPN). */
  readonly protocol: "http/1.1" | "h2";
  readonly handshakeMsMax: number;
  /** undefined: in plain text */
  readonly tls: TlsSource | undefined;
}

export function listener(connected: (socket: Socket) => void, options: ListenerOptions): Server {
  const server = serverOf(connected, options);
  server.on("error", () => {}); // one connection could not be accepted: its client sees that
  return server;
}

function serverOf(connected: (socket: Socket) => void, { protocol, handshakeMsMax, tls }: ListenerOptions): Server {
  if (tls === undefined) return createServer({ allowHalfOpen: true, noDelay: true }, connected);
  // Not half open: a client that leaves within its handshake would keep the server from closing.
  const options = { ...tls.options, noDelay: true, handshakeTimeout: handshakeMsMax, ALPNProtocols: [protocol] };
  const server = createSecureServer(options, connected);
  server.on("tlsClientError", (_, socket) => socket.destroy());
  tls.onRenewal((renewed) => server.setSecureContext(renewed));
  return server;
}
