/** Draws one of several. Pure. */
import type { Random } from "../../core/random.ts";

export function oneOf<Item>(items: readonly Item[], random: Random): Item {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new Error("there is nothing to choose from");
  return item;
}
