/**
 * The budgets of the API keys that have limits, one each. Gateways that share a store tell each other once a second what was used; while
 * it is away each counts for itself. What is counted is soft: a gateway that dies forgets at most its last second.
 */
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { QuotaStore } from "../../core/store/quotas/quota-store.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { ApiKey } from "../access/api-keys.ts";
import { Budget, DAY_MS, type Now, type Spent } from "./budget.ts";
import { type KeyLimits, limitsOr } from "./key-limits.ts";
import { WINDOW_MS } from "./token-bucket.ts";

const EXCHANGE_MS = 1_000;
const NOTHING: Spent = { requests: 0, tokens: 0 };

export interface BudgetsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where a key's line says nothing. */
  readonly limits: KeyLimits;
  /** undefined: this gateway is the only one. */
  readonly store: QuotaStore | undefined;
}

interface Kept {
  readonly budget: Budget;
  /** What requests carry along. */
  readonly shown: KeyBudget;
  /** What the store said last, of which day; undefined: it has not been asked yet, or long ago. */
  heard: (Spent & { readonly day: number }) | undefined;
}

export class Budgets implements Disposable {
  readonly #deps: BudgetsDeps;
  readonly #kept = new Map<string, Kept>();
  #takeBack: () => void = () => {};
  #isOver = false;
  #isAway = false;

  constructor(deps: BudgetsDeps) {
    this.#deps = deps;
    if (deps.store !== undefined) this.#later(deps.store);
  }

  /** undefined: the key has no limits. The same object until the key's limits change. */
  of(key: ApiKey): KeyBudget | undefined {
    const limits = limitsOr(key.limits, this.#deps.limits);
    if (Object.values(limits).every((limit) => limit === undefined)) return undefined;
    const kept = this.#kept.get(key.id);
    if (kept !== undefined && sameLimits(kept.budget.limits, limits)) return kept.shown;
    const budget = new Budget(key.id, limits, now(this.#deps.clock));
    const shown = new KeyBudget(budget, this.#deps.clock);
    this.#kept.set(key.id, { budget, shown, heard: undefined });
    return shown;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#takeBack();
  }

  #later(store: QuotaStore): void {
    this.#takeBack = this.#deps.clock.after(EXCHANGE_MS, () => {
      void this.#exchange(store).then(() => {
        if (!this.#isOver) this.#later(store);
      });
    });
  }

  /** Keys that nobody has used for a minute are left alone: their buckets are full. */
  async #exchange(store: QuotaStore): Promise<void> {
    const { nowMs, wallMs } = now(this.#deps.clock);
    const day = Math.floor(wallMs / DAY_MS);
    const told = new Map<string, Spent>();
    for (const [id, kept] of this.#kept) {
      if (nowMs - kept.budget.usedAtMs > WINDOW_MS && kept.budget.idle) kept.heard = undefined;
      else told.set(id, kept.budget.takeUntold());
    }
    if (told.size === 0) return;
    try {
      this.#hear(day, told, await store.exchange(day, told));
      this.#isAway = false;
    } catch (thrown) {
      for (const [id, spent] of told) this.#kept.get(id)?.budget.putBack(spent);
      if (!this.#isAway) this.#deps.logger.warn({ err: ServingError.from(thrown) }, "what API keys have used is not shared for now");
      this.#isAway = true;
    }
  }

  #hear(day: number, told: ReadonlyMap<string, Spent>, totals: ReadonlyMap<string, Spent>): void {
    for (const [id, own] of told) {
      const kept = this.#kept.get(id);
      const total = totals.get(id);
      if (kept === undefined || total === undefined) continue;
      const before = kept.heard?.day === day ? kept.heard : undefined;
      const others = before === undefined ? NOTHING : usedBetween(before, total, own);
      kept.heard = { ...total, day };
      kept.budget.hear(others, total, now(this.#deps.clock));
    }
  }
}

/** Of others: never below nothing, as when the store was emptied. */
function usedBetween(before: Spent, total: Spent, own: Spent): Spent {
  return {
    requests: Math.max(0, total.requests - before.requests - own.requests),
    tokens: Math.max(0, total.tokens - before.tokens - own.tokens),
  };
}

/** A budget with its clock: what doors carry along with a request. */
export class KeyBudget {
  readonly #budget: Budget;
  readonly #clock: Clock;

  constructor(budget: Budget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  /** @throws ServingError RESOURCE_EXHAUSTED when not even a request of one token could begin */
  check(): void {
    this.#budget.check(1, now(this.#clock));
  }

  /** @throws ServingError RESOURCE_EXHAUSTED */
  begin(tokens: number): void {
    this.#budget.begin(tokens, now(this.#clock));
  }

  end(tokens: number): void {
    this.#budget.end(tokens, now(this.#clock));
  }

  headers(): Readonly<Record<string, string>> {
    return this.#budget.headers(now(this.#clock));
  }
}

const now = (clock: Clock): Now => ({ nowMs: clock.now(), wallMs: clock.wallClockMs() });

function sameLimits(some: KeyLimits, others: KeyLimits): boolean {
  return (
    some.requestsPerMinute === others.requestsPerMinute &&
    some.tokensPerMinute === others.tokensPerMinute &&
    some.tokensPerDay === others.tokensPerDay &&
    some.concurrent === others.concurrent
  );
}
