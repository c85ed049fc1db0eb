/**
 * `--model-control-mode=poll`: looks at the repository again and again, loads what is new or has changed, unloads what is gone. Files
 * that are written while it looks are seen half: whoever writes moves whole folders, as with Triton.
 */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { modelName } from "../../core/ids.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { ClusterModelControl } from "./model-control.ts";
import type { ModelFolders } from "./model-folders.ts";

export interface RepositoryPollDeps {
  readonly folders: ModelFolders;
  readonly control: Pick<ClusterModelControl, "take" | "drop" | "desired">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly periodMs: number;
  /** Models that are served whatever the repository says. */
  readonly except: ReadonlySet<string>;
}

export class RepositoryPoll implements Disposable {
  readonly #deps: RepositoryPollDeps;
  /** By model: what was there when it was loaded last, or why it could not be read. */
  readonly #seen = new Map<string, string>();
  /** By model, the last load that was begun and is not over. */
  readonly #loading = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #takeBack: () => void = () => {};

  constructor(deps: RepositoryPollDeps) {
    this.#deps = deps;
    this.#wait();
  }

  #wait(): void {
    const { clock, logger, periodMs } = this.#deps;
    this.#takeBack = clock.after(periodMs, () => {
      this.#look()
        .catch((thrown: unknown) => logger.warn({ err: ServingError.from(thrown) }, "the repository cannot be read; what serves goes on"))
        .finally(() => {
          if (!this.#closing.signal.aborted) this.#wait();
        });
    });
  }

  async #look(): Promise<void> {
    const { folders, control, except } = this.#deps;
    const names = (await folders.names()).filter((name) => !except.has(name));
    const changed = new Set<string>();
    for (const name of names) {
      const found = await this.#stateOf(name);
      if (this.#seen.get(name) !== found) changed.add(name);
      this.#seen.set(name, found);
    }
    const gone = [...this.#seen.keys()].filter((name) => !names.includes(name));
    for (const name of gone) {
      const isDropped = await control.drop(modelName(name)).then(
        () => true,
        () => false,
      );
      if (!isDropped) continue; // the store is away: at the next look
      this.#seen.delete(name);
      this.#loading.delete(name);
    }
    if (changed.size === 0) return;
    // What could not be loaded may have waited for what has come: an ensemble for its models.
    const { models, replicas } = control.desired();
    const wanted = new Set<string>([...models, ...replicas].map(({ model }) => model));
    for (const name of names) if (changed.has(name) || !(wanted.has(name) || this.#loading.has(name))) this.#load(name);
  }

  async #stateOf(name: string): Promise<string> {
    try {
      return (await this.#deps.folders.plan(modelName(name), { files: new Map() })).fingerprint;
    } catch (thrown) {
      return ServingError.from(thrown).message;
    }
  }

  /** Not waited for: one that waits for a node must not keep the others from being looked at. */
  #load(name: string): void {
    const { control, logger } = this.#deps;
    const isLast = () => this.#loading.get(name) === loading;
    const loading = control
      .take(name, this.#closing.signal)
      .catch((thrown: unknown) => {
        if (isLast() && !this.#closing.signal.aborted)
          logger.warn({ err: ServingError.from(thrown), model: name }, "a model cannot be loaded");
      })
      .finally(() => {
        if (isLast()) this.#loading.delete(name);
      });
    this.#loading.set(name, loading);
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new ServingError("CANCELLED", "the gateway is shutting down"));
    this.#takeBack();
  }
}
