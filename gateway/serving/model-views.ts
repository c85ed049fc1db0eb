/** What this gateway knows of the whole models in the fleet: fetched from their nodes by digest, kept while somebody serves them. */
import { ServingError } from "../../core/errors.ts";
import { replicaNumber } from "../../core/ids.ts";
import type { PublishedModel } from "../../core/model/published-model.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Fleet, ModelOnNode } from "../control/fleet.ts";
import type { TextBundles } from "./text-bundles.ts";

export interface ModelViewsDeps {
  readonly fleet: Pick<Fleet, "models">;
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
  #changed: () => void = () => {};

  constructor(deps: ModelViewsDeps) {
    this.#deps = deps;
  }

  /** Called when a view has arrived. */
  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** All that serves now. Of a version that is being reloaded the old replicas serve, until they are told to drain. */
  served(): readonly ServedVersion[] {
    const ready = this.#deps.fleet.models().flatMap((hosted) => {
      const model = hosted.state.kind === "ready" ? this.#views.get(hosted.state.view) : undefined;
      return model === undefined ? [] : [{ hosted, model, number: replicaNumber(hosted.replica) }];
    });
    const oldest = new Map<string, number>();
    for (const { hosted, number } of ready) {
      const version = `${hosted.model}/${hosted.version}`;
      oldest.set(version, Math.min(number, oldest.get(version) ?? number));
    }
    return ready.filter(({ hosted, number }) => oldest.get(`${hosted.model}/${hosted.version}`) === number);
  }

  /** To be called when the fleet changes: fetches what is missing, forgets what nobody serves. */
  refresh(): void {
    const wanted = new Set<string>();
    for (const hosted of this.#deps.fleet.models()) {
      if (hosted.state.kind !== "ready") continue;
      wanted.add(hosted.state.view);
      this.#fetch(hosted.state.view, hosted);
    }
    for (const digest of this.#views.keys()) if (!wanted.has(digest)) this.#views.delete(digest);
  }

  #fetch(digest: string, hosted: ModelOnNode): void {
    if (this.#views.has(digest) || this.#fetching.has(digest)) return;
    this.#fetching.add(digest);
    this.#deps.bundles
      .get(digest, hosted, this.#closing.signal)
      .then((model) => {
        this.#views.set(digest, model);
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
