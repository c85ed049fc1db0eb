/** The model catalog of the KServe doors over the fleet: whole models by their published views. */
import { ServingError } from "../../core/errors.ts";
import type { PublishedModel } from "../../core/model/published-model.ts";
import type { ModelDirectory } from "./generation/text-generation.ts";
import type { ModelCatalog, ModelView } from "./model-catalog.ts";
import type { ModelViews, ServedVersion } from "./model-views.ts";
import { labeledOutputs } from "./output-labels.ts";
import { runsOnceInAll } from "./run-again.ts";
import { stillStarting } from "./still-starting.ts";

export interface FleetModelCatalogDeps {
  /** Whether there may be models that this gateway has not heard of yet; no unless said. */
  readonly starting?: (() => boolean) | undefined;
  /** Whether this gateway takes requests and can bring them to nodes; always unless said. */
  readonly serving?: () => boolean;
  /** False: models that are not ready do not count. */
  readonly strictReadiness?: boolean | undefined;
  readonly views: Pick<ModelViews, "served">;
  /** Language models, which are part of the server's readiness. */
  readonly directory: ModelDirectory;
  /** Whole models that should be ready. */
  readonly wanted: () => readonly { readonly model: string; readonly version: string }[];
  /** Versions that are known and not ready, for a truer refusal. */
  readonly known: () => readonly { readonly model: string; readonly version: string }[];
}

export class FleetModelCatalog implements ModelCatalog {
  readonly #deps: FleetModelCatalogDeps;
  /** What serves, as it was when `#views` was made. */
  #served: readonly ServedVersion[] = [];
  /** By name: its ready versions, ascending. Every request asks. */
  #views: ReadonlyMap<string, readonly ModelView[]> = new Map();

  constructor(deps: FleetModelCatalogDeps) {
    this.#deps = deps;
  }

  view(name: string, version: number | undefined): ModelView {
    const views = this.#versionsOf(name);
    const chosen = version === undefined ? views.at(-1) : views.find((view) => view.version === String(version));
    if (chosen === undefined) throw this.#unknown(name, version);
    return chosen;
  }

  isReady(name: string, version: number | undefined): boolean {
    return this.#versionsOf(name).some((view) => version === undefined || view.version === String(version));
  }

  allReady(): boolean {
    const { serving, strictReadiness, views, wanted, directory } = this.#deps;
    if (serving?.() === false) return false;
    if (strictReadiness === false) return true;
    const ready = new Set(views.served().map(({ model }) => `${model.name}/${model.version}`));
    return (
      wanted().every(({ model, version }) => ready.has(`${model}/${version}`)) &&
      directory.list().every(({ readiness }) => readiness.kind === "ready")
    );
  }

  #versionsOf(name: string): readonly ModelView[] {
    const served = this.#deps.views.served();
    if (served !== this.#served) {
      this.#served = served;
      this.#views = viewsByName(served);
    }
    return this.#views.get(name) ?? [];
  }

  /** Triton's texts (kserve-http.md section 3.5). */
  #unknown(name: string, version: number | undefined): ServingError {
    const known = this.#deps.known().filter(({ model }) => model === name);
    const prefix = `Request for unknown model: '${name}'`;
    if (known.length === 0 && this.#deps.starting?.() === true) return stillStarting(name);
    if (version === undefined) {
      const text = known.length === 0 ? `${prefix} is not found` : `${prefix} has no available versions`;
      return new ServingError("NOT_FOUND", text, { reason: "model_not_found" });
    }
    if (known.some((one) => one.version === String(version))) {
      return new ServingError("UNAVAILABLE", `${prefix} version ${version} is not at ready state`, { reason: "not_ready" });
    }
    const text = known.length === 0 ? `${prefix} is not found` : `${prefix} version ${version} is not found`;
    return new ServingError("NOT_FOUND", text, { reason: "model_not_found" });
  }
}

/** Each version once, ascending. */
function viewsByName(served: readonly ServedVersion[]): ReadonlyMap<string, readonly ModelView[]> {
  const models = Map.groupBy(
    served.map(({ model }) => model),
    ({ name }) => name,
  );
  const ascending = new Map<string, readonly PublishedModel[]>();
  for (const [name, all] of models) {
    const byVersion = new Map(all.map((model) => [model.version, model]));
    ascending.set(
      name,
      [...byVersion.values()].toSorted((a, b) => Number(a.version) - Number(b.version)),
    );
  }
  const find = (name: string, version: number | undefined) =>
    version === undefined ? ascending.get(name)?.at(-1) : ascending.get(name)?.find((model) => model.version === String(version));
  const views = new Map<string, readonly ModelView[]>();
  for (const [name, all] of ascending) {
    const versions = all.map(({ version }) => version);
    views.set(
      name,
      all.map((model) => {
        const once = runsOnceInAll(model, find) && ({ runsOnce: true } as const);
        return { ...model, ...once, outputs: labeledOutputs(model.outputs, find), versions };
      }),
    );
  }
  return views;
}
