/**
 * Triton's oldest strategy: the next requests of an instance's candidate sequences, one of each, meet in a dynamic batcher. Source:
 * `OldestSequenceBatch` of Triton's core. Pure.
 */
import { assert } from "../../core/errors.ts";
import type { OldestStrategy } from "../../core/model/config/configuration.ts";
import { DYNAMIC_BATCHING } from "./batch-options.ts";
import { BatchQueue } from "./batch-queue.ts";
import type { SequencePlace } from "./live-sequence.ts";
import { NOTHING_TO_RUN, type PickedRows, type RowPicker } from "./row-picker.ts";
import type { SequenceItem } from "./sequence-options.ts";

export class OldestCandidates<Item extends SequenceItem> implements RowPicker<Item> {
  readonly #queues: readonly BatchQueue<Item>[];

  constructor(strategy: OldestStrategy, { instances, maxBatchSize }: { readonly instances: number; readonly maxBatchSize: number }) {
    const { preferredBatchSizes: preferred, maxQueueDelayUs: delayUs } = strategy;
    const dynamic = { ...DYNAMIC_BATCHING, preferred, delayUs };
    this.#queues = Array.from({ length: instances }, () => new BatchQueue<Item>({ maxBatchSize, dynamic }));
  }

  seat(): void {} // a candidate counts when it has something to run

  leave(): void {}

  ready(item: Item, place: SequencePlace, nowMs: number): void {
    const refused = this.#of(place.instance).offer(item, nowMs);
    assert(refused === undefined, "candidates wait without limits");
  }

  unready(item: Item, place: SequencePlace): void {
    this.#of(place.instance).cancel(item);
  }

  pick(instance: number, nowMs: number): PickedRows<Item> {
    const decision = this.#of(instance).next(1, nowMs);
    if (decision.kind === "run") return { kind: "run", rows: decision.batch };
    return decision.kind === "wait" ? decision : NOTHING_TO_RUN;
  }

  #of(instance: number): BatchQueue<Item> {
    const queue = this.#queues[instance];
    assert(queue !== undefined, `there is an instance ${instance}`);
    return queue;
  }
}
