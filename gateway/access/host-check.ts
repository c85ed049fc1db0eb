/**
 * Keeps web pages away from a server on the loopback address: a page may point its own name at 127.0.0.1 (DNS rebinding), but
 * the browser then still sends that name as Host; and it may post to another origin, but then sends its own as Origin. Pure.
 */

const IPV4_LOOPBACK = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/** @param host a name or an address as in a Host header without its port, or as an address to bind to. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    name === "[::1]" ||
    IPV4_LOOPBACK.test(name) ||
    name === "::ffff:127.0.0.1"
  );
}

/** The host of a Host header: `[::1]:8000` is `[::1]`. */
export function hostWithoutPort(header: string): string {
  return header.replace(/:\d*$/, "");
}

/** Whether the Host header is one that a client on this machine sends. Absent (HTTP/1.0) is no browser. */
export function knownHost(header: string | undefined): boolean {
  return header === undefined || isLoopbackHost(hostWithoutPort(header));
}

/** Whether the Origin header, where there is one, names the server itself. */
export function sameOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  return origin.replace(/^https?:\/\//, "") === host;
}
