/**
 * How many copies of each model are wanted, by how long its requests wait: one more when on every copy they have waited too long for a
 * while, one fewer when the others could carry all of it with room to spare for much longer. Between the two nothing changes, so that
 * copies do not come and go with every wave. Pure but for its memory.
 */

/** A request that has waited for so long waits too long. */
export const LATE_MS = 500;
/** So long on all copies, before another one comes. */
export const LATE_FOR_MS = 2_000;
/** So long with one copy too many, before one goes. */
export const SPARE_FOR_MS = 60_000;
/** A new copy must have shown what it does, before there is another change. */
export const PAUSE_MS = 10_000;
/** How full the copies that stay may be when one goes. */
const SPARE_FULL_MAX = 0.5;

/** A model whose number of copies may change, and how busy those are that are ready. */
export interface ScaledModel {
  readonly model: string;
  /** That are wanted. */
  readonly copies: number;
  readonly copiesMin: number;
  readonly copiesMax: number;
  readonly ready: readonly {
    /** For how long the oldest request has waited; 0: none waits. */
    readonly queuedMs: number;
    /** 0 to 1, how full it is. */
    readonly full: number;
  }[];
}

export interface WantedCopies {
  readonly model: string;
  /** It was decided on these. */
  readonly before: number;
  readonly copies: number;
}

interface Seen {
  readonly lateSinceMs: number | undefined;
  readonly spareSinceMs: number | undefined;
  readonly changedAtMs: number;
}

const NEW: Seen = { lateSinceMs: undefined, spareSinceMs: undefined, changedAtMs: Number.NEGATIVE_INFINITY };

export class CopiesScaler {
  #seen: ReadonlyMap<string, Seen> = new Map();

  /** To be asked about once a second, about all of them. */
  decide(models: readonly ScaledModel[], nowMs: number): readonly WantedCopies[] {
    const next = new Map<string, Seen>();
    const decided: WantedCopies[] = [];
    for (const model of models) {
      const seen = look(model, this.#seen.get(model.model) ?? NEW, nowMs);
      const copies = wantedCopies(model, seen, nowMs);
      if (copies !== model.copies) decided.push({ model: model.model, before: model.copies, copies });
      next.set(model.model, copies === model.copies ? seen : { ...NEW, changedAtMs: nowMs });
    }
    this.#seen = next;
    return decided;
  }
}

function look({ copies, ready }: ScaledModel, before: Seen, nowMs: number): Seen {
  const all = ready.length === copies; // those that are on their way may be enough
  const late = all && ready.every(({ queuedMs }) => queuedMs >= LATE_MS);
  const full = ready.reduce((sum, one) => sum + one.full, 0);
  const spare = all && ready.every(({ queuedMs }) => queuedMs < LATE_MS / 2) && full <= (copies - 1) * SPARE_FULL_MAX;
  return {
    lateSinceMs: late ? (before.lateSinceMs ?? nowMs) : undefined,
    spareSinceMs: spare ? (before.spareSinceMs ?? nowMs) : undefined,
    changedAtMs: before.changedAtMs,
  };
}

function wantedCopies(
  { copies, copiesMin, copiesMax }: ScaledModel,
  { lateSinceMs, spareSinceMs, changedAtMs }: Seen,
  nowMs: number,
): number {
  if (copies < copiesMin) return copiesMin;
  if (copies > copiesMax) return copiesMax;
  if (nowMs - changedAtMs < PAUSE_MS) return copies;
  if (lateSinceMs !== undefined && nowMs - lateSinceMs >= LATE_FOR_MS && copies < copiesMax) return copies + 1;
  if (spareSinceMs !== undefined && nowMs - spareSinceMs >= SPARE_FOR_MS && copies > copiesMin) return copies - 1;
  return copies;
}
