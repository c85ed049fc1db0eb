/** Why a request went where it went, for a caller who has asked: each choice with its candidates and how it ended, as a line of JSON. Pure. */

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

interface Choice {
  readonly pick: RoutePick;
  /** Where a stream was before, and what it was lost with. */
  readonly left: Left | undefined;
  outcome: string | undefined;
  told: boolean;
}

type Left = Place & { readonly why: string };

/** Older choices are left out. */
const PICKS_MAX = 8;
/** Proxies take heads of 4 KiB at least; where more would have to be said, fewer of each list are. */
const CHARACTERS_MAX = 3_000;
const LISTED_MAX = 32;

export class RouteExplanation {
  readonly #picks: Choice[] = [];
  #left: Left | undefined;

  add(pick: RoutePick): void {
    this.#picks.push({ pick, left: this.#left, outcome: undefined, told: false });
    this.#left = undefined;
    if (this.#picks.length > PICKS_MAX) this.#picks.shift();
  }

  /** What became of the last choice of this replica: `accepted`, or why another one follows. */
  ended({ replica, node }: Place, outcome: string): void {
    const isIt = ({ chosen }: RoutePick) => chosen?.replica === replica && chosen.node === node;
    const last = this.#picks.findLast(({ pick, outcome: before }) => before === undefined && isIt(pick));
    if (last !== undefined) last.outcome = outcome;
  }

  /** What runs there is lost: the next choice is why it goes on elsewhere. */
  left({ replica, node }: Place, why: string): void {
    this.#left = { replica, node, why };
  }

  /** Empty while nothing was chosen. */
  headers(): Readonly<Record<string, string>> {
    const text = this.#told(this.#picks);
    return text === undefined ? {} : { "x-nereid-route": text };
  }

  /** The choices that are over, and have not been told; undefined: none. */
  moves(): string | undefined {
    return this.#told(this.#picks.filter(({ pick, outcome, told }) => !told && (pick.chosen === undefined || outcome !== undefined)));
  }

  #told(picks: readonly Choice[]): string | undefined {
    if (picks.length === 0) return undefined;
    for (const pick of picks) pick.told = true;
    let listed = LISTED_MAX;
    let text = textOf(picks, listed);
    for (; text.length > CHARACTERS_MAX && listed > 0; text = textOf(picks, listed)) listed = Math.floor(listed / 2);
    return text;
  }
}

/** JSON in ASCII. @param listed so many of each list */
function textOf(choices: readonly Choice[], listed: number): string {
  const picks = choices.map(({ pick: { chosen, candidates, filtered }, left, outcome }) => ({
    left: left && { ...left, why: left.why.slice(0, 200) },
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

const placeOf = ({ replica, node }: Place): Place => ({ replica, node });
