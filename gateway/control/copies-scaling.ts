/** Changes how many copies of a model are wanted, by how long its requests wait, as long as placing is this gateway's. */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { CopiesScaler, type WantedCopies } from "../placement/copies-scaler.ts";
import type { Hosted } from "../placement/load-progress.ts";
import { scaledModels } from "../placement/scaled-models.ts";
import type { WantedWatch } from "./wanted-watch.ts";

const PERIOD_MS = 1_000;

export interface CopiesScalingDeps {
  readonly wanted: WantedWatch;
  readonly hosted: Hosted;
  /** Whether placing is this gateway's. */
  readonly places: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "copiesChanged">;
}

export class CopiesScaling implements Disposable {
  readonly #deps: CopiesScalingDeps;
  #scaler = new CopiesScaler();
  #takeBack: () => void = () => {};

  constructor(deps: CopiesScalingDeps) {
    this.#deps = deps;
    this.#tick();
  }

  #tick(): void {
    const { wanted, hosted, places, clock } = this.#deps;
    this.#takeBack = clock.after(PERIOD_MS, () => this.#tick());
    if (!places()) {
      this.#scaler = new CopiesScaler();
      return;
    }
    for (const change of this.#scaler.decide(scaledModels(wanted.entries, hosted), clock.now())) this.#want(change);
  }

  #want({ model, before, copies }: WantedCopies): void {
    const { wanted, logger, metrics } = this.#deps;
    let isChanged = false;
    wanted
      .change(model, (entry) => {
        const current = entry?.wanted.current;
        isChanged = current?.copies === before;
        if (entry === undefined || current === undefined || !isChanged) return undefined;
        return { ...entry.wanted, current: { ...current, copies } };
      })
      .then(
        () => {
          if (!isChanged) return; // somebody else has said how many
          logger.info({ model, before, copies }, "the number of copies follows the queue");
          metrics.copiesChanged.inc({ model, direction: copies > before ? "up" : "down" });
        },
        (thrown: unknown) => logger.warn({ err: ServingError.from(thrown), model }, "the number of copies could not be written down"),
      );
  }

  [Symbol.dispose](): void {
    this.#takeBack();
  }
}
