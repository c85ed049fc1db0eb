/** Whether a request of a model may run a second time when nobody knows what became of the first (parameter `retry`). Pure. */
import { ServingError } from "../../errors.ts";
import type { ModelConfiguration } from "./configuration.ts";

/** @throws ServingError INVALID_ARGUMENT */
export function runsOnce({ name, parameters }: Pick<ModelConfiguration, "name" | "parameters">): boolean {
  const value = parameters.get("retry") ?? "lost";
  if (value === "lost" || value === "never") return value === "never";
  throw new ServingError(
    "INVALID_ARGUMENT",
    `model '${name}': parameter 'retry' is ${JSON.stringify(value.slice(0, 100))}: write lost or never`,
    {
      param: "retry",
    },
  );
}
