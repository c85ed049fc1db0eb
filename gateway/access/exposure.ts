/** Fails closed: an address that other machines can reach needs TLS and keys, or somebody who says that it does not. Pure. */
import { ServingError } from "../../core/errors.ts";

export interface Exposure {
  readonly host: string;
  readonly isLoopback: boolean;
  readonly insecure: boolean;
  /** Whether each of the servers that will listen has TLS, by the flags that give it. */
  readonly tls: readonly (readonly [flags: string, has: boolean])[];
  readonly hasKeys: boolean;
}

/** @throws ServingError FAILED_PRECONDITION naming what is missing and the remedy */
export function checkExposure({ host, isLoopback, insecure, tls, hasKeys }: Exposure): void {
  if (isLoopback || insecure) return;
  const missing = [...tls.flatMap(([flags, has]) => (has ? [] : [flags])), ...(hasKeys ? [] : ["--api-keys-file"])];
  if (missing.length === 0) return;
  const remedy = `give ${missing.join(" and ")}, listen on 127.0.0.1, or say --insecure`;
  throw new ServingError("FAILED_PRECONDITION", `${host} can be reached from other machines, so it needs TLS and API keys: ${remedy}`, {
    reason: "exposed",
  });
}
