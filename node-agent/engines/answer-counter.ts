/** Counts the answers to one request by their place: what each took since the one before. */
import type { Clock } from "../../core/clock.ts";
import type { ResponseOutcome } from "./response-statistics.ts";
import type { StatisticsCounter } from "./statistics.ts";

export class AnswerCounter {
  readonly #statistics: StatisticsCounter;
  readonly #clock: Clock;
  readonly #arrivedMs: number;
  #beforeMs: number;
  #place = 0;

  constructor(arrivedMs: number, statistics: StatisticsCounter, clock: Clock) {
    this.#statistics = statistics;
    this.#clock = clock;
    this.#arrivedMs = arrivedMs;
    this.#beforeMs = arrivedMs;
  }

  /** @param madeMs when the answer was there to be handed out; now unless said */
  count(outcome: ResponseOutcome, madeMs = this.#clock.now()): void {
    const nowMs = this.#clock.now();
    this.#statistics.responded(this.#place++, outcome, {
      inferUs: (madeMs - this.#beforeMs) * 1000,
      outputUs: (nowMs - madeMs) * 1000,
      ageUs: (nowMs - this.#arrivedMs) * 1000,
    });
    this.#beforeMs = nowMs;
  }

  /** The next answer is begun now. */
  restart(): void {
    this.#beforeMs = this.#clock.now();
  }
}
