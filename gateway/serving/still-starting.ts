/** What a gateway says of models that it may not have heard of yet. Pure. */
import { ServingError } from "../../core/errors.ts";

/** Clients that are told that a model is not there do not ask again; those that are told this do, here or elsewhere. */
export function stillStarting(model: string): ServingError {
  const quoted = JSON.stringify(model.slice(0, 140));
  return new ServingError("UNAVAILABLE", `the server is starting and does not know model ${quoted} yet: try again`, { reason: "starting" });
}
