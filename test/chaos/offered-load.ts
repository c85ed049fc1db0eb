/** Questions that come at their own pace, whether those before them are answered or not. */
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Ask } from "./load.ts";

export interface OfferedReport {
  readonly offered: number;
  readonly answered: number;
  readonly errors: readonly string[];
}

/** @returns what stops asking, and resolves when all is answered */
export function offerLoad(perSecond: number, ask: Ask, clock: Clock = systemClock): () => Promise<OfferedReport> {
  const asked: Promise<void>[] = [];
  const errors: string[] = [];
  const startMs = clock.now();
  let takeBack = () => {};
  const next = () => {
    asked.push(ask(asked.length).catch((thrown: unknown) => void errors.push(String(thrown))));
    takeBack = clock.after(startMs + (asked.length * 1_000) / perSecond - clock.now(), next);
  };
  next();
  return async () => {
    takeBack();
    await Promise.all(asked);
    return { offered: asked.length, answered: asked.length - errors.length, errors };
  };
}
