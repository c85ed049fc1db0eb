/**
 * Whether this gateway does the cluster's placement: holds the lease as long as it can. While the store is away the last holder goes
 * on, since nobody can have taken the lease; whoever takes it behind a partition has a higher fence, which agents obey alone.
 */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { LeaseAnswer, PlacementLease } from "../../core/store/placement/placement-lease.ts";
import type { Logger } from "../../core/telemetry/logger.ts";

/** The longest that a cluster is without placement when the holder dies. */
export const LEASE_TTL_MS = 3_000;
/** Asked so often in a term, so that one lost answer costs nothing. */
const ASKS_PER_TERM = 3;
/** Where the store did not answer. */
const RETRY_MS = 250;

export interface PlacementDutyDeps {
  readonly lease: PlacementLease;
  /** Differs for every start of every gateway. */
  readonly holder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The highest fence that any agent reports. */
  readonly fenceHeard: () => number;
  /** Called when the duty comes or goes, with each new fence. */
  readonly onChange: () => void;
}

export class PlacementDuty implements AsyncDisposable {
  readonly #deps: PlacementDutyDeps;
  #fence: number | undefined;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #storeIsAway = false;
  #toldAway = false;
  #closed = false;
  #takeBack: () => void = () => {};

  constructor(deps: PlacementDutyDeps) {
    this.#deps = deps;
    this.#ask();
  }

  /** What to send commands with; undefined: another gateway places, or this one was held up for longer than its term. */
  fence(): number | undefined {
    return this.#storeIsAway || this.#deps.clock.now() < this.#validUntilMs ? this.#fence : undefined;
  }

  #ask(): void {
    const { lease, holder, clock, fenceHeard } = this.#deps;
    const askedAtMs = clock.now();
    const again = (delayMs: number) => {
      if (!this.#closed) this.#takeBack = clock.after(delayMs, () => this.#ask());
    };
    lease.hold({ holder, ttlMs: LEASE_TTL_MS, fenceMin: fenceHeard() }).then(
      (answer) => {
        this.#storeIsAway = false;
        this.#toldAway = false;
        if (!this.#closed) this.#answered(answer, askedAtMs);
        again(answer.kind === "held" ? LEASE_TTL_MS / ASKS_PER_TERM : Math.min(answer.leftMs + 1, LEASE_TTL_MS / ASKS_PER_TERM));
      },
      (thrown: unknown) => {
        // At a start the store's connection may come a moment later.
        if (this.#storeIsAway && !this.#toldAway)
          this.#deps.logger.warn({ err: ServingError.from(thrown) }, "the placement lease cannot be asked for");
        this.#toldAway = this.#storeIsAway;
        this.#storeIsAway = true;
        again(RETRY_MS);
      },
    );
  }

  #answered(answer: LeaseAnswer, askedAtMs: number): void {
    const before = this.#fence;
    this.#fence = answer.kind === "held" ? answer.fence : undefined;
    if (answer.kind === "held") this.#validUntilMs = askedAtMs + LEASE_TTL_MS;
    if (this.#fence === before) return;
    this.#deps.logger.info({ fence: this.#fence, before }, this.#fence === undefined ? "another gateway places" : "this gateway places");
    this.#deps.onChange();
  }

  /** Lets another gateway take over at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#takeBack();
    const fence = this.#fence;
    this.#fence = undefined;
    if (fence === undefined) return;
    await this.#deps.lease.release(this.#deps.holder, fence).catch(() => {}); // it ends by itself
  }
}
