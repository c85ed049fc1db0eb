/** Sequences that wait for a slot: first come first served within a tenant, the tenants in turn. Pure. */
import { assert } from "../../core/errors.ts";
import { NO_TENANT, type Sequence } from "./sequence.ts";

export class WaitingLine {
  /** Tenants with waiting sequences; the first one's turn is next. */
  readonly #tenants = new Map<string, Sequence[]>();
  #count = 0;
  /** Lets nobody in but the canary. */
  held = false;

  get count(): number {
    return this.#count;
  }

  add(sequence: Sequence): void {
    const tenant = sequence.generation.offer.tenant;
    const line = this.#tenants.get(tenant);
    if (line === undefined) this.#tenants.set(tenant, [sequence]);
    else line.push(sequence);
    this.#count += 1;
  }

  /** The first sequence that `may` enter, of the first tenant that has one; it stays in the line. */
  first(may: (sequence: Sequence) => boolean): Sequence | undefined {
    const [canary] = this.#tenants.get(NO_TENANT) ?? [];
    if (canary !== undefined && may(canary)) return canary;
    if (this.held) return undefined;
    for (const line of this.#tenants.values()) {
      for (const sequence of line) if (may(sequence)) return sequence;
    }
    return undefined;
  }

  /** It got its slot: its tenant's next turn comes after all others'. */
  enter(sequence: Sequence): void {
    const tenant = sequence.generation.offer.tenant;
    const line = this.#tenants.get(tenant);
    this.remove(sequence);
    if (line === undefined || line.length === 0) return;
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, line);
  }

  remove(sequence: Sequence): void {
    const tenant = sequence.generation.offer.tenant;
    const line = this.#tenants.get(tenant);
    const index = line?.indexOf(sequence) ?? -1;
    assert(line !== undefined && index >= 0, "a queued sequence stands in its tenant's line");
    line.splice(index, 1);
    this.#count -= 1;
    if (line.length === 0) this.#tenants.delete(tenant);
  }
}
