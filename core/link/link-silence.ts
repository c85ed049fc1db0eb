/**
 * What the silence of a link means, from looks at even distances. While this process is held up nobody is silent: a look that
 * comes late counts for two at most. Where the peer, or the network, is held up often, a silence is suspect later. Pure.
 */
import { LINK_SILENCE_MS, LINK_SUSPECT_MS } from "./link.ts";

/** Both ends see to it that something comes at least every two looks. */
export const LOOK_EVERY_MS = LINK_SUSPECT_MS / 3;

/** A silence is suspect that is so much longer than those that were harmless lately. */
const UNUSUAL = 2;
/** Of LINK_SILENCE_MS: however long silences usually are. */
const SUSPECT_SHARE_MAX = 2 / 3;
/** What a harmless silence weighs from one look to the next: half of it in 11 s. */
const KEPT_PER_LOOK = 0.99;

export class LinkSilence {
  #silentMs = 0;
  /** Of the longest silence that was harmless, what is not forgotten. */
  #usualMs = 0;
  #heard = false;
  #suspect = false;

  /** Something has come. @returns whether the link was suspect until now */
  heard(): boolean {
    const wasSuspect = this.#suspect;
    this.#suspect = false;
    this.#heard = true;
    return wasSuspect;
  }

  /** @returns what it is from now on; undefined: nothing new */
  look(sinceLastMs: number): "suspect" | "dead" | undefined {
    this.#usualMs *= KEPT_PER_LOOK;
    if (this.#heard) {
      this.#usualMs = Math.max(this.#usualMs, this.#silentMs);
      this.#silentMs = 0;
      this.#heard = false;
      return undefined;
    }
    this.#silentMs += Math.min(sinceLastMs, 2 * LOOK_EVERY_MS);
    if (this.#silentMs >= LINK_SILENCE_MS) return "dead";
    const suspectMs = Math.min(Math.max(LINK_SUSPECT_MS, UNUSUAL * this.#usualMs), SUSPECT_SHARE_MAX * LINK_SILENCE_MS);
    if (this.#suspect || this.#silentMs < suspectMs) return undefined;
    this.#suspect = true;
    return "suspect";
  }
}
