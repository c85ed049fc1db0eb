/** Which idle models make room for one that is asked for: those that will be missed least. Pure. */

export interface NodeGuests {
  readonly freeBytes: number;
  readonly guests: readonly Guest[];
}

/** A model on a node. */
export interface Guest {
  readonly model: string;
  /** That come back when it is unloaded. */
  readonly bytes: number;
  /** What it would cost to be without it: how often it is asked for, times what a load takes. */
  readonly worth: number;
  /** It may go: it was loaded on demand, and nothing of it runs. */
  readonly idle: boolean;
}

export type Evictions =
  | { readonly kind: "fits" }
  | { readonly kind: "evict"; readonly models: readonly string[] }
  /** Not even without everything that may go. */
  | { readonly kind: "full" };

/** The node on which the least worth has to go decides; nothing goes that does not have to. */
export function chooseEvictions(bytesNeeded: number, nodes: readonly NodeGuests[]): Evictions {
  if (nodes.some(({ freeBytes }) => freeBytes >= bytesNeeded)) return { kind: "fits" };
  let best: { readonly guests: readonly Guest[]; readonly worth: number } | undefined;
  for (const node of nodes) {
    const guests = evictedFrom(node, bytesNeeded);
    if (guests === undefined) continue;
    const worth = guests.reduce((sum, guest) => sum + guest.worth, 0);
    if (best === undefined || worth < best.worth) best = { guests, worth };
  }
  return best === undefined ? { kind: "full" } : { kind: "evict", models: [...new Set(best.guests.map(({ model }) => model))] };
}

/** Those with the least worth for their bytes first; then those stay that were not needed after all, the most worth first. */
function evictedFrom({ freeBytes, guests }: NodeGuests, bytesNeeded: number): readonly Guest[] | undefined {
  const idle = guests.filter((guest) => guest.idle && guest.bytes > 0).toSorted((a, b) => a.worth / a.bytes - b.worth / b.bytes);
  const chosen: Guest[] = [];
  let free = freeBytes;
  for (const guest of idle) {
    if (free >= bytesNeeded) break;
    chosen.push(guest);
    free += guest.bytes;
  }
  if (free < bytesNeeded) return undefined;
  return chosen
    .toSorted((a, b) => b.worth - a.worth)
    .filter((guest) => {
      if (free - guest.bytes < bytesNeeded) return true;
      free -= guest.bytes;
      return false;
    });
}
