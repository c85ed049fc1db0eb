/** Why a request went where it went, for a caller who has asked: each choice with its candidates and how it ended, as one header. Pure. */

/** A replica as it is known by its node and name. */
export interface Place {
  readonly replica: string;
  readonly node: string;
}

/** One choice: who could have been chosen with which scores, and who could not. */
export interface RoutePick {
  /** undefined: nobody was left. */
  readonly chosen: Place | undefined;
  readonly candidates: readonly (Place & { readonly scores: Readonly<Record<string, number | string>> })[];
  readonly filtered: readonly (Place & { readonly why: string })[];
}

interface Ending {
  readonly pick: RoutePick;
  outcome: string | undefined;
}

/** Older choices are left out. */
const PICKS_MAX = 8;
/** Proxies take heads of 4 KiB at least; where more would have to be said, fewer of each list are. */
const CHARACTERS_MAX = 3_000;
const LISTED_MAX = 32;

export class RouteExplanation {
  readonly #picks: Ending[] = [];

  add(pick: RoutePick): void {
    this.#picks.push({ pick, outcome: undefined });
    if (this.#picks.length > PICKS_MAX) this.#picks.shift();
  }

  /** What became of the last choice of this replica: `accepted`, or why another one follows. */
  ended({ replica, node }: Place, outcome: string): void {
    const isIt = ({ chosen }: RoutePick) => chosen?.replica === replica && chosen.node === node;
    const last = this.#picks.findLast(({ pick, outcome: before }) => before === undefined && isIt(pick));
    if (last !== undefined) last.outcome = outcome;
  }

  /** Empty while nothing was chosen. */
  headers(): Readonly<Record<string, string>> {
    if (this.#picks.length === 0) return {};
    let listed = LISTED_MAX;
    let text = this.#text(listed);
    for (; text.length > CHARACTERS_MAX && listed > 0; text = this.#text(listed)) listed = Math.floor(listed / 2);
    return { "x-nereid-route": text };
  }

  /** JSON in ASCII. @param listed so many of each list */
  #text(listed: number): string {
    const picks = this.#picks.map(({ pick: { chosen, candidates, filtered }, outcome }) => ({
      chosen: chosen && placeOf(chosen),
      outcome: outcome?.slice(0, 200),
      candidates: candidates.slice(0, listed).map(({ scores, ...place }) => ({ ...placeOf(place), ...scores })),
      filtered: filtered.slice(0, listed).map(({ why, ...place }) => ({ ...placeOf(place), why })),
      left_out: Math.max(0, candidates.length - listed) + Math.max(0, filtered.length - listed) || undefined,
    }));
    const rounded = (_: string, value: unknown) => (typeof value === "number" ? Math.round(value * 1_000) / 1_000 : value);
    const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    return JSON.stringify({ picks }, rounded).replace(/[^ -~]/g, escaped);
  }
}

const placeOf = ({ replica, node }: Place): Place => ({ replica, node });
