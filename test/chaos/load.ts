/** Clients that ask again and again, each its next question when the one before is answered, and what became of the questions. */
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import { untilHolds } from "./until-holds.ts";

/** One question and its answer. @throws whatever makes it a failure */
export type Ask = (client: number) => Promise<void>;

export interface LoadReport {
  readonly answered: number;
  readonly failed: number;
  readonly errors: readonly string[];
  /** Of answers, ascending. */
  readonly tookMs: readonly number[];
}

export interface Load {
  /** Resolves when so many more are answered. */
  more(count: number): Promise<void>;
  /** Resolves when what was asked is answered. */
  end(): Promise<LoadReport>;
}

const ERRORS_KEPT = 20;
/** After a failure, before the next question. */
const AGAIN_MS = 50;
const never = new AbortController().signal;

export function startLoad(clients: number, ask: Ask, clock: Clock = systemClock): Load {
  let [answered, failed, over] = [0, 0, false];
  const errors: string[] = [];
  const tookMs: number[] = [];
  const run = async (client: number) => {
    while (!over) {
      const startMs = clock.now();
      try {
        await ask(client);
        answered += 1;
        tookMs.push(clock.now() - startMs);
      } catch (thrown) {
        failed += 1;
        if (errors.length < ERRORS_KEPT) errors.push(describe(thrown));
        await sleep(clock, AGAIN_MS, never);
      }
    }
  };
  const running = Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
  return {
    more: async (count) => {
      const wanted = answered + count;
      await untilHolds(async () => answered >= wanted);
    },
    end: async () => {
      over = true;
      await running;
      return { answered, failed, errors, tookMs: tookMs.toSorted((a, b) => a - b) };
    },
  };
}

/** `fetch failed` says nothing: its cause does. */
function describe(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? ` (${thrown.cause})` : "";
  return `${thrown}${cause}`;
}

/** @param sorted ascending @param share such as 0.99; 0 when there is none */
export function percentile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
