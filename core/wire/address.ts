/**
 * Where sockets listen: `unix:PATH`, `tcp:HOST:PORT` or, where both ends show certificates, `tls:HOST:PORT`; as text in messages
 * and as options of `node:net`. Pure.
 */
import { ServingError } from "../errors.ts";

export type SocketAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp" | "tls"; readonly host: string; readonly port: number };

/** sun_path holds 104 bytes on macOS and 108 on Linux, the closing zero included. */
export const UNIX_PATH_BYTES_MAX = 100;

/** @throws ServingError INVALID_ARGUMENT when the text is no address. */
export function parseAddress(text: string): SocketAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice(5);
    const bytes = new TextEncoder().encode(path).length;
    if (bytes === 0 || bytes > UNIX_PATH_BYTES_MAX)
      throw new ServingError(
        "INVALID_ARGUMENT",
        `the socket path ${JSON.stringify(path)} has ${bytes} bytes, at most ${UNIX_PATH_BYTES_MAX} are possible: choose a shorter folder`,
      );
    return { kind: "unix", path };
  }
  const [, kind, host, port] = /^(tcp|tls):(?:\[?([^\]]+?)\]?):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65535)
    throw new ServingError("INVALID_ARGUMENT", `${JSON.stringify(text)} is no address: write unix:PATH, tcp:HOST:PORT or tls:HOST:PORT`);
  return { kind: kind === "tls" ? kind : "tcp", host, port: Number(port) };
}

/** Whether only this machine reaches it. */
export const isLoopback = (host: string): boolean => /^(localhost|127\..*|::1)$/.test(host);

/** What others dial: the address of a socket that listens here, under the name that this host has for them. */
export function advertisedAddress(listening: string, host: string | undefined): string {
  const address = parseAddress(listening);
  return address.kind === "unix" || host === undefined ? listening : formatAddress({ ...address, host });
}

export function formatAddress(address: SocketAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${address.kind}:${host}:${address.port}`;
}
