/** What API keys have used, in memory: for gateways in one process, and for tests, which can empty it and take it away. */
import { ServingError } from "../../errors.ts";
import type { KeyUsage, QuotaStore } from "./quota-store.ts";

const DAYS_KEPT = 2;

export class MemoryQuotaStore implements QuotaStore {
  readonly #days = new Map<number, Map<string, KeyUsage>>();
  #away = false;

  /** Everything is lost, as by FLUSHALL. */
  wipe(): void {
    this.#days.clear();
  }

  /** While it is away everything asked of it fails. */
  setAway(away: boolean): void {
    this.#away = away;
  }

  async exchange(day: number, used: ReadonlyMap<string, KeyUsage>): Promise<ReadonlyMap<string, KeyUsage>> {
    if (this.#away) throw new ServingError("UNAVAILABLE", "the store is away", { reason: "store_unavailable" });
    for (const old of this.#days.keys()) if (old <= day - DAYS_KEPT) this.#days.delete(old);
    const totals = this.#days.get(day) ?? new Map<string, KeyUsage>();
    this.#days.set(day, totals);
    const answer = new Map<string, KeyUsage>();
    for (const [key, { requests, tokens }] of used) {
      const before = totals.get(key) ?? { requests: 0, tokens: 0 };
      const total = { requests: before.requests + requests, tokens: before.tokens + tokens };
      totals.set(key, total);
      answer.set(key, total);
    }
    return answer;
  }
}
