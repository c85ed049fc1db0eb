/** Rounds in which every side has its turn, and collects one figure per measurement. */

/** Figures by the name of what was measured, one a round. */
export type Figures = Map<string, number[]>;

/** One side of a comparison: measures everything once. */
export interface Side {
  readonly name: string;
  measure(round: number): Promise<ReadonlyMap<string, number>>;
}

/**
 * Runs the sides one after another, round after round, another one first each time: what warms up, heats up or fills a cache
 * favors none of them.
 * @returns figures by the side's name, then by the measurement's
 */
export async function inTurn(sides: readonly Side[], rounds: number, say: (line: string) => void): Promise<ReadonlyMap<string, Figures>> {
  const collected = new Map<string, Figures>(sides.map(({ name }) => [name, new Map()]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(round + turn) % sides.length];
      if (side === undefined) continue;
      const measured = await side.measure(round);
      for (const [name, figure] of measured) append(collected.get(side.name), name, figure);
      say(`  round ${round + 1}/${rounds} ${side.name}: ${[...measured].map(([name, figure]) => `${name} ${short(figure)}`).join(", ")}`);
    }
  }
  return collected;
}

/** The figures of one measurement of one side; none when it was not measured. */
export function figuresOf(collected: ReadonlyMap<string, Figures>, side: string, name: string): readonly number[] {
  return collected.get(side)?.get(name) ?? [];
}

function append(figures: Figures | undefined, name: string, figure: number): void {
  const list = figures?.get(name);
  if (list === undefined) figures?.set(name, [figure]);
  else list.push(figure);
}

const short = (figure: number): string => figure.toFixed(Math.abs(figure) >= 100 ? 0 : Math.abs(figure) >= 10 ? 1 : 2);
