/** The models as OpenAI's API lists them: only those that answer. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { ServedModel } from "../serving/generation/text-generation.ts";

interface ModelObject {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: string;
}

function modelObject({ name, createdSeconds }: ServedModel): ModelObject {
  return { id: name, object: "model", created: createdSeconds, owned_by: "nereid" };
}

/** One object for each name: which version answers is the server's choice. */
export function modelList(models: readonly ServedModel[]) {
  const ready = models.filter(({ readiness }) => readiness.kind === "ready");
  const names = new Map(ready.toReversed().map((model) => [model.name, model]));
  return { object: "list", data: ready.filter((model) => names.get(model.name) === model).map(modelObject) };
}

/** @throws ServingError NOT_FOUND, or UNAVAILABLE while it loads or after it failed. */
export function modelAnswer(models: readonly ServedModel[], name: string): ModelObject {
  const versions = models.filter((model) => model.name === name);
  const ready = versions.find(({ readiness }) => readiness.kind === "ready");
  if (ready !== undefined) return modelObject(ready);
  const [known] = versions;
  if (known === undefined) {
    throw new ServingError("NOT_FOUND", `The model '${name}' does not exist: see GET /v1/models`, {
      reason: "model_not_found",
      param: "model",
    });
  }
  throw new ServingError(
    "UNAVAILABLE",
    `The model '${name}' is not ready: it ${known.readiness.kind === "failed" ? "failed to load" : "is loading"}`,
    {
      reason: "model_not_ready",
      param: "model",
    },
  );
}
