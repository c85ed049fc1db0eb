/** A decoupled model was asked by somebody who takes one answer. Pure. */
import { ServingError } from "../../core/errors.ts";

export function answersOften(model: string): ServingError {
  return new ServingError("UNIMPLEMENTED", `model '${model}' answers a request any number of times: ask for a stream`, {
    reason: "decoupled",
  });
}
