/** What a server needs for TLS, from files that may be replaced while it runs. */
import { createSecureContext } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { watchFiles } from "../../core/watched-files.ts";

export interface Tls {
  /** PEM. */
  readonly key: string;
  /** PEM, with its chain. */
  readonly cert: string;
  /** PEM of the authorities that sign clients' certificates: clients then have to show one (mutual TLS). */
  readonly clientAuthority?: string | undefined;
}

export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
  readonly clientAuthority: string | undefined;
}

/** Certificates that may be renewed. */
export interface TlsSource {
  /** Of Node's servers. */
  readonly options: TlsOptions;
  /** Called with others whenever there are. */
  onRenewal(apply: (options: TlsOptions) => void): void;
}

export type TlsOptions = ReturnType<typeof tlsOptions>;

/** Clients have to show a certificate where an authority for them is given. */
const tlsOptions = ({ key, cert, clientAuthority }: Tls) => {
  const mutual = clientAuthority === undefined ? {} : { ca: clientAuthority, requestCert: true, rejectUnauthorized: true };
  return { key, cert, minVersion: "TLSv1.2", ...mutual } as const;
};

/** @throws ServingError INVALID_ARGUMENT when key and certificate do not belong together */
export function fixedTls(tls: Tls): TlsSource {
  checkTls(tls);
  return { options: tlsOptions(tls), onRenewal: () => {} };
}

/** @throws ServingError when the files cannot be read, or do not belong together */
export async function watchTls(
  { key, cert, clientAuthority }: TlsFiles,
  options: { readonly clock: Clock; readonly failed: (error: ServingError) => void },
): Promise<TlsSource & Disposable> {
  let current = tlsOptions({ key: "", cert: "" });
  const users: ((options: TlsOptions) => void)[] = [];
  const use = ([keyText = "", certText = "", authority]: readonly string[]) => {
    const tls = { key: keyText, cert: certText, clientAuthority: authority };
    checkTls(tls);
    current = tlsOptions(tls);
    for (const apply of users) apply(current);
  };
  const paths = [key, cert, ...(clientAuthority === undefined ? [] : [clientAuthority])];
  const watched = await watchFiles(paths, { ...options, purpose: "TLS", use });
  return {
    get options() {
      return current;
    },
    onRenewal: (apply) => users.push(apply),
    [Symbol.dispose]: () => watched[Symbol.dispose](),
  };
}

/** @throws ServingError INVALID_ARGUMENT */
function checkTls({ key, cert, clientAuthority }: Tls): void {
  try {
    createSecureContext({ key, cert, ca: clientAuthority });
  } catch (cause) {
    throw new ServingError("INVALID_ARGUMENT", "the TLS key and certificate cannot be used: give PEM files that belong together", {
      cause,
    });
  }
}
