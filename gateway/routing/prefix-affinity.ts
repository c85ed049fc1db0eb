/**
 * Which replica was sent the beginning of a prompt before: it may still hold it, and then need not compute it. Each gateway
 * remembers what it has sent; a wrong guess costs nothing but the guess. Pure.
 */
import type { Prompt } from "../serving/generation/text-generation.ts";

/** Prompts are compared in blocks: of so many characters, or ids. */
const TEXT_BLOCK = 256;
const IDS_BLOCK = 64;
/** Longer prompts are known by their first blocks. */
const BLOCKS_MAX = 64;
/** Beginnings that are remembered, some 100 bytes each. */
const REMEMBERED_MAX = 32_768;

/** A key for each beginning of the prompt that ends with a block, the shortest first. Equal prompts of two scopes have nothing in common. */
export function prefixKeys(prompt: Prompt, scope: string): readonly number[] {
  const keys: number[] = [];
  let hash = hashText(scope, 0);
  const push = (text: string) => {
    for (let from = 0; from < text.length && keys.length < BLOCKS_MAX; from += TEXT_BLOCK) {
      hash = hashText(text.slice(from, from + TEXT_BLOCK), hash);
      keys.push(hash);
    }
  };
  switch (prompt.kind) {
    case "text":
      push(prompt.text);
      break;
    case "chat":
      for (const { role, content } of prompt.messages) push(`${role}\n${content}`);
      break;
    case "ids":
      for (let from = 0; from < prompt.ids.length && keys.length < BLOCKS_MAX; from += IDS_BLOCK) {
        hash = hashText(prompt.ids.slice(from, from + IDS_BLOCK).join(), hash);
        keys.push(hash);
      }
      break;
  }
  return keys;
}

export class PrefixAffinity {
  /** The replica that was sent a beginning last; the order is that of use. */
  readonly #sentTo = new Map<number, string>();

  /** By replica, what part of the prompt it was sent before, in (0, 1]; a beginning counts for the last one that it was sent to. */
  matches(keys: readonly number[]): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const [index, key] of keys.entries()) {
      const replica = this.#sentTo.get(key);
      if (replica !== undefined) found.set(replica, (index + 1) / keys.length);
    }
    return found;
  }

  sent(keys: readonly number[], replica: string): void {
    for (const key of keys) {
      this.#sentTo.delete(key);
      this.#sentTo.set(key, replica);
    }
    for (const oldest of this.#sentTo.keys()) {
      if (this.#sentTo.size <= REMEMBERED_MAX) break;
      this.#sentTo.delete(oldest);
    }
  }
}

/** 53 bits of a text and what came before it (cyrb53, by bryc, in the public domain). */
function hashText(text: string, before: number): number {
  let low = 0xdeadbeef ^ before;
  let high = 0x41c6ce57 ^ Math.floor(before / 2 ** 32);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 2654435761);
    high = Math.imul(high ^ unit, 1597334677);
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  return 4294967296 * (2097151 & high) + (low >>> 0);
}
