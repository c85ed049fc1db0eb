/** Why a port cannot be listened on, in words that help. Pure. */
import { ServingError } from "../../core/errors.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** @param purpose what the port is for, such as `HTTP`. */
export function listeningError(thrown: unknown, purpose: string, { host, port }: ListenAddress): ServingError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  const where = `the ${purpose} port ${port} on ${host}`;
  switch (code) {
    case "EADDRINUSE":
      return new ServingError("FAILED_PRECONDITION", `${where} is in use: stop the program that holds it, or choose another port`, {
        cause: thrown,
        reason: "port_taken",
      });
    case "EACCES":
      return new ServingError("PERMISSION_DENIED", `${where} needs more rights: choose one above 1023`, { cause: thrown });
    case "EADDRNOTAVAIL":
      return new ServingError("FAILED_PRECONDITION", `${where}: this machine has no such address`, { cause: thrown });
    default:
      return new ServingError("INTERNAL", `${where} cannot be opened`, { cause: thrown });
  }
}
