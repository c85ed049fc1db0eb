/** Makes the errors that Triton's HTTP endpoint and core answer with, by the class of their cause. Pure. */
import { ServingError } from "../../core/errors.ts";

/** What the client sent is wrong: 400. */
export function invalid(message: string): ServingError {
  return new ServingError("INVALID_ARGUMENT", message);
}

/** JSON that is malformed, or of the wrong type: 500 in Triton. */
export function internal(message: string, cause?: ServingError): ServingError {
  return new ServingError("INTERNAL", message, cause === undefined ? {} : { cause });
}

/** How the core begins what it says of a request. @param id empty where the client gave none */
export function requestPrefix(id: string): string {
  return `[request id: ${id === "" ? "<id_unknown>" : id}] `;
}
