/** What this gateway knows of the whole models in the fleet: fetched from their nodes by digest, kept while somebody serves them. */
import { ServingError } from "../../core/errors.ts";
import { replicaNumber } from "../../core/ids.ts";
import type { PublishedModel } from "../../core/model/published-model.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Fleet, ModelOnNode } from "../control/fleet.ts";
import type { ModelDirectory, ServedModel } from "./generation/text-generation.ts";
import type { TextBundles } from "./text-bundles.ts";

export interface ModelViewsDeps {
  readonly fleet: Pick<Fleet, "models">;
  /** Ensembles may call them, too. */
  readonly languageModels: ModelDirectory;
  /** Replicas that somebody wants. What is to be unloaded takes no requests any more, though its node has not said so yet. */
  readonly wanted: () => readonly { readonly replica: string }[];
  readonly bundles: TextBundles<PublishedModel>;
  readonly logger: Logger;
}

/** A hosted version whose view is here: requests can be checked, so it can serve. */
export interface ServedVersion {
  readonly hosted: ModelOnNode;
  readonly model: PublishedModel;
}

export class ModelViews {
  readonly #deps: ModelViewsDeps;
  readonly #views = new Map<string, PublishedModel>();
  readonly #fetching = new Set<string>();
  readonly #closing = new AbortController();
  /** All that can take requests, by `model/version`; undefined: to be looked up again. */
  #ready: ReadonlyMap<string, readonly ServedVersion[]> | undefined;
  /** All that serves; made of `#ready`, and the same list until that changes. */
  #served: readonly ServedVersion[] | undefined;
  #changed: () => void = () => {};

  constructor(deps: ModelViewsDeps) {
    this.#deps = deps;
  }

  /** Called when a view has arrived. */
  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** What the fleet hosts, as this gateway can use it: what is ready but has not been described yet is still loading. */
  hosted(): readonly ModelOnNode[] {
    return this.#deps.fleet
      .models()
      .map((hosted) =>
        hosted.state.kind === "ready" && !this.#views.has(hosted.state.view) ? { ...hosted, state: { kind: "loading" } } : hosted,
      );
  }

  /** All that can take requests for a version, later loads of it included. */
  readyFor(model: string, version: string): readonly ServedVersion[] {
    return this.#readyVersions().get(`${model}/${version}`) ?? [];
  }

  /** All that serves now, the same list until that changes. Of a version that is being reloaded the old replicas serve, until they are told to drain. */
  served(): readonly ServedVersion[] {
    const ready = this.#readyVersions();
    this.#served ??= [...ready.values()].flatMap(oldestOf);
    return this.#served;
  }

  /** To be called when the fleet changes, or what is wanted: fetches what is missing, forgets what nobody serves. */
  refresh(): void {
    this.#ready = undefined;
    const wanted = new Set<string>();
    for (const hosted of this.#deps.fleet.models()) {
      if (hosted.state.kind !== "ready") continue;
      wanted.add(hosted.state.view);
      this.#fetch(hosted.state.view, hosted);
    }
    for (const digest of this.#views.keys()) if (!wanted.has(digest)) this.#views.delete(digest);
  }

  #readyVersions(): ReadonlyMap<string, readonly ServedVersion[]> {
    if (this.#ready !== undefined) return this.#ready;
    const versions = new Map<string, ServedVersion[]>();
    const wanted = new Set(this.#deps.wanted().map(({ replica }) => replica));
    for (const hosted of this.#deps.fleet.models()) {
      const model = hosted.state.kind === "ready" ? this.#views.get(hosted.state.view) : undefined;
      if (model === undefined || !wanted.has(hosted.replica)) continue;
      const key = `${hosted.model}/${hosted.version}`;
      const same = versions.get(key);
      if (same === undefined) versions.set(key, [{ hosted, model }]);
      else same.push({ hosted, model });
    }
    dropIncomplete(
      versions,
      this.#deps.languageModels.list().filter(({ readiness }) => readiness.kind === "ready"),
    );
    this.#ready = versions;
    this.#served = undefined;
    return versions;
  }

  #fetch(digest: string, hosted: ModelOnNode): void {
    if (this.#views.has(digest) || this.#fetching.has(digest)) return;
    this.#fetching.add(digest);
    this.#deps.bundles
      .get(digest, hosted, this.#closing.signal)
      .then((model) => {
        this.#views.set(digest, model);
        this.#ready = undefined;
        this.#changed();
      })
      .catch((thrown: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#deps.logger.warn(
          { err: ServingError.from(thrown), model: hosted.model, node: hosted.node },
          "a model's view could not be fetched",
        );
      })
      .finally(() => this.#fetching.delete(digest));
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new ServingError("UNAVAILABLE", "the gateway is shutting down: try another"));
  }
}

/** An ensemble serves while every model that it calls does, ensembles among them. */
function dropIncomplete(versions: Map<string, readonly ServedVersion[]>, languageModels: readonly ServedModel[]): void {
  const texts = new Set(languageModels.flatMap(({ name, version }) => [name, `${name}/${version}`]));
  for (let left = -1; left !== versions.size; ) {
    left = versions.size;
    const names = new Set([...versions.values()].flatMap((served) => served.map(({ model }) => model.name)));
    const serves = (model: string, version: number | undefined) =>
      version === undefined
        ? names.has(model) || texts.has(model)
        : versions.has(`${model}/${version}`) || texts.has(`${model}/${version}`);
    for (const [key, served] of versions) {
      const complete = served.filter(({ model }) => (model.members ?? []).every((member) => serves(member.model, member.version)));
      if (complete.length === 0) versions.delete(key);
      else if (complete.length < served.length) versions.set(key, complete);
    }
  }
}

/** Of the replicas of one version those of its earliest load. */
export function oldestOf(replicas: readonly ServedVersion[]): readonly ServedVersion[] {
  if (replicas.length < 2) return replicas;
  const oldest = Math.min(...replicas.map(({ hosted }) => replicaNumber(hosted.replica)));
  return replicas.filter(({ hosted }) => replicaNumber(hosted.replica) === oldest);
}
