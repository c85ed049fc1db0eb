/** One sequence's way into the store: begins, keeps steps as its policy says, and hears when another node has taken over. */
import { ServingError } from "../../../core/errors.ts";
import { decodeInferResult, decodeTensors, encodeInferResult, encodeTensors } from "../../../core/messages/infer-codec.ts";
import type { Random } from "../../../core/random.ts";
import type { SequenceRecord, SequenceStore, StoredStep } from "../../../core/store/sequences/sequence-store.ts";
import type { AppliedStep, AppliedSteps } from "./applied-steps.ts";

/** Which steps are in the store before they are answered. */
export type SequenceDurability =
  | { readonly kind: "none" }
  /** All of them. */
  | { readonly kind: "sync" }
  /** One of so many, and the end. A takeover goes back to the last one that is kept, and says so. */
  | { readonly kind: "every"; readonly steps: number };

export interface SequenceLogs {
  readonly store: SequenceStore;
  readonly random: Random;
  /** The model and its version: sequences of equal ids are told apart by it. */
  readonly scope: string;
  /** As `sequenceOwner` names this copy of the model. */
  readonly owner: string;
  /** Steps from one commit to the next. */
  readonly every: number;
  /** How long a sequence's record is kept after a commit. */
  readonly ttlMs: number;
}

export type Kept = { readonly kind: "kept" } | { readonly kind: "moved"; readonly owner: string };

/** Whoever asks for an ended sequence's last answer again does so soon. */
const ENDED_TTL_MS = 60_000;
const KEPT: Kept = { kind: "kept" };

export class SequenceLog {
  readonly #logs: SequenceLogs;
  readonly #key: string;
  readonly #start: string;
  #fence: string;
  /** Steps of the last commit. */
  #committed: number;
  #begun: Promise<void>;

  private constructor(logs: SequenceLogs, key: string, at: { readonly start: string; readonly fence: string; readonly committed: number }) {
    this.#logs = logs;
    this.#key = storedKey(logs, key);
    this.#start = at.start;
    this.#fence = at.fence;
    this.#committed = at.committed;
    this.#begun = Promise.resolve();
  }

  /** The store is told meanwhile; `keep` waits for that. */
  static begin(logs: SequenceLogs, key: string, start: string): SequenceLog {
    const log = new SequenceLog(logs, key, { start, fence: logs.random.id(), committed: 0 });
    void log.#begin(); // `keep` hears of its failure
    return log;
  }

  /**
   * Goes on with a sequence that began elsewhere.
   * @param from the owner that is gone; empty: nobody is
   * @throws ServingError UNAVAILABLE when the store cannot be asked
   */
  static async takeOver(logs: SequenceLogs, key: string, from: string) {
    const fence = logs.random.id();
    const found = await logs.store.takeOver(storedKey(logs, key), { owner: logs.owner, fence, from }, logs.ttlMs);
    if (found.kind !== "taken") return found;
    const { start, steps } = found.record;
    return { kind: "taken", record: found.record, log: new SequenceLog(logs, key, { start, fence, committed: steps }) } as const;
  }

  /** Keeps a step unless the policy leaves it out. @throws ServingError UNAVAILABLE when the store is away: the step may be kept or not */
  async keep(memory: AppliedSteps, { ended }: { readonly ended: boolean }): Promise<Kept> {
    if (!ended && memory.steps - this.#committed < this.#logs.every) return KEPT;
    return await this.#commit(memory, ended);
  }

  /** Whether the sequence is still where `memory` is, as `keep` tells it. */
  confirm(memory: AppliedSteps): Promise<Kept> {
    return this.#commit(memory, false);
  }

  async #commit(memory: AppliedSteps, ended: boolean): Promise<Kept> {
    await this.#begun.catch(() => this.#begin());
    const step = storedStep(memory, ended);
    const ttlMs = ended ? ENDED_TTL_MS : this.#logs.ttlMs;
    for (let attempt = 1; attempt <= 2; attempt++) {
      const outcome = await this.#logs.store.commit(this.#key, { fence: this.#fence, after: this.#committed }, step, ttlMs);
      if (outcome.kind === "moved") return outcome;
      if (outcome.kind === "committed") {
        this.#committed = memory.steps;
        return KEPT;
      }
      this.#fence = this.#logs.random.id(); // the store has lost it, this node has not
      this.#committed = 0;
      await this.#begin();
    }
    throw new ServingError("UNAVAILABLE", "the store of sequences loses what it is given: try again later", {
      reason: "store_unavailable",
    });
  }

  /** The sequence is over without an end. */
  forget(): void {
    this.#begun.then(() => this.#logs.store.forget(this.#key, this.#fence)).catch(() => {}); // it expires by itself
  }

  #begin(): Promise<void> {
    const { store, owner, ttlMs } = this.#logs;
    this.#begun = store.begin(this.#key, { owner, fence: this.#fence, start: this.#start }, ttlMs);
    this.#begun.catch(() => {}); // told to whoever waits
    return this.#begun;
  }
}

const storedKey = ({ scope }: SequenceLogs, key: string): string => `${scope}/${key}`;

function storedStep({ steps, states, last }: AppliedSteps, ended: boolean): StoredStep {
  const answer = last === undefined ? new Uint8Array() : encodeInferResult(last);
  return { steps, token: last?.token ?? "", ended, states: ended ? new Uint8Array() : encodeTensors(states), answer };
}

/** The last step of a record. */
export function appliedStep({ steps, token, answer }: SequenceRecord): AppliedStep | undefined {
  return steps === 0 ? undefined : { token, ...decodeInferResult(answer) };
}

export const storedStates = ({ states }: SequenceRecord) => decodeTensors(states);
