/** Listens for connections, in plain text or over TLS with certificates that may be renewed. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import type { TlsSource } from "../access/tls.ts";

/** @param tls undefined: in plain text */
export function listener(connected: (socket: Socket) => void, handshakeMsMax: number, tls: TlsSource | undefined): Server {
  if (tls === undefined) return createServer({ allowHalfOpen: true, noDelay: true }, connected);
  // Not half open: a client that leaves within its handshake would keep the server from closing.
  const options = { ...tls.options, noDelay: true, handshakeTimeout: handshakeMsMax, ALPNProtocols: ["http/1.1"] };
  const server = createSecureServer(options, connected);
  server.on("tlsClientError", (_, socket) => socket.destroy());
  tls.onRenewal((renewed) => server.setSecureContext(renewed));
  return server;
}
