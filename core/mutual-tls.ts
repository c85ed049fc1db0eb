/** Mutual TLS between the parts of a cluster: each end shows its certificate and believes those that one authority has signed. */
import { createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";
import { certificateNames, isNamed, type PeerNames } from "./certificate-names.ts";
import type { Clock } from "./clock.ts";
import { ServingError } from "./errors.ts";
import { watchFiles } from "./watched-files.ts";

/** PEM, or the paths of files with it. */
export interface Certificates {
  /** Of the authority. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface MutualTls {
  /** PEM, of connections that begin now: another object once they were renewed. */
  readonly certificates: Certificates;
  /** Hears why somebody who dialed was turned away. */
  readonly refused: (why: ServingError) => void;
}

export interface WatchedTls extends MutualTls, Disposable {
  /** Paths: runners read them, too. */
  readonly files: Certificates;
}

/** Both ends are of this program. */
const MIN_VERSION = "TLSv1.3";
/** From the connection to the end of the handshake. */
export const HANDSHAKE_MS_MAX = 5_000;
/** Between two words about refused peers: anybody may dial. */
const REFUSALS_APART_MS = 1_000;

/**
 * Reads the files again when they change; what cannot be used is complained about, and what was used before stays.
 * @throws ServingError when the files cannot be read, or do not belong together
 */
export async function watchMutualTls(
  files: Certificates,
  { clock, warn }: { readonly clock: Clock; readonly warn: (why: ServingError) => void },
): Promise<WatchedTls> {
  let certificates: Certificates = files;
  let silentUntilMs = 0;
  const use = ([ca = "", cert = "", key = ""]: readonly string[]) => {
    checkCertificates({ ca, cert, key });
    certificates = { ca, cert, key };
  };
  const watched = await watchFiles([files.ca, files.cert, files.key], { clock, purpose: "link TLS", use, failed: warn });
  return {
    files,
    get certificates() {
      return certificates;
    },
    refused: (why) => {
      if (clock.now() < silentUntilMs) return;
      silentUntilMs = clock.now() + REFUSALS_APART_MS;
      warn(why);
    },
    [Symbol.dispose]: () => watched[Symbol.dispose](),
  };
}

/** Of `tls.connect`: the other end's certificate must be for the host that is dialed. */
export const dialOptions = ({ certificates }: MutualTls, to: { readonly host: string; readonly port: number }) =>
  ({ ...certificates, ...to, minVersion: MIN_VERSION }) as const;

export interface MutualTlsListener {
  /** Who may come in, by the names in their certificates; everybody of the authority unless said. */
  readonly names?: PeerNames | undefined;
  readonly welcome: (socket: TLSSocket) => void;
  /** Their certificate is not believed: the socket is the callee's, to say so and to close it. */
  readonly stranger: (socket: TLSSocket, why: string) => void;
}

/** Does not listen yet. */
export function mutualTlsServer(tls: MutualTls, { welcome, stranger, names }: MutualTlsListener): Server {
  let used = tls.certificates;
  // Node would close the connections of strangers without a word.
  const manners = { minVersion: MIN_VERSION, requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS_MAX } as const;
  const server = createServer({ ...used, ...manners }, (socket) => {
    const why = refusalOf(socket, names);
    if (why === undefined) return welcome(socket);
    socket.on("error", () => socket.destroy());
    tls.refused(refusal(socket.remoteAddress, why));
    stranger(socket, why);
  });
  server.on("tlsClientError", (error, socket) => tls.refused(refusal(socket.remoteAddress, `it has no TLS with us: ${error.message}`)));
  server.prependListener("connection", () => {
    if (used === tls.certificates) return;
    used = tls.certificates;
    server.setSecureContext({ ...used, minVersion: MIN_VERSION });
  });
  return server;
}

/** undefined: it may come in. */
function refusalOf(socket: TLSSocket, names: PeerNames | undefined): string | undefined {
  if (!socket.authorized)
    return `its certificate is not believed (${socket.authorizationError}): --link-tls-cert must be valid and signed by --link-tls-ca`;
  if (names === undefined) return undefined;
  const own = certificateNames(socket.getPeerCertificate());
  if (own.some((name) => names.patterns.some((pattern) => isNamed(name, pattern)))) return undefined;
  const said = own.map((name) => name.slice(0, 100)).join(", ") || "nobody";
  return `its certificate is for ${said.slice(0, 500)}, and ${names.setting} allows ${names.patterns.join(", ")}`;
}

const refusal = (peer: string | undefined, why: string): ServingError =>
  new ServingError("UNAUTHENTICATED", `a peer at ${peer ?? "an unknown address"} was refused: ${why}`);

function checkCertificates(certificates: Certificates): void {
  try {
    createSecureContext({ ...certificates });
  } catch (cause) {
    const remedy = "give PEM files that belong together";
    throw new ServingError("INVALID_ARGUMENT", `--link-tls-ca, --link-tls-cert and --link-tls-key cannot be used: ${remedy}`, { cause });
  }
}
