/** A resumable generation's record in the store, as the gateway sees to it that writes the stream. */
import type { Clock } from "../../../core/clock.ts";
import { ServingError } from "../../../core/errors.ts";
import type { Random } from "../../../core/random.ts";
import type { GenerationStore } from "../../../core/store/generations/generation-store.ts";
import type { Logger } from "../../../core/telemetry/logger.ts";
import type { Fleet, ReplicaView } from "../../control/fleet.ts";

/** Longer than a generation waits for its first token, and than its lead keeps it. */
export const RECORD_MS = 15 * 60_000;
const RENEW_MS = 5 * 60_000;

export interface RecordDeps {
  readonly generations: GenerationStore;
  readonly fleet: Pick<Fleet, "node">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Pick<Logger, "warn">;
}

export class GenerationRecord {
  readonly #deps: RecordDeps;
  readonly #generation: string;
  readonly #fence: string;
  #toldMs: number;

  /** @param fence under which the store has it */
  constructor(deps: RecordDeps, generation: string, fence: string) {
    this.#deps = deps;
    this.#generation = generation;
    this.#fence = fence;
    this.#toldMs = deps.clock.now();
  }

  /** @returns undefined when the store is away: the stream is served, and nobody can come back for it */
  static async begin(deps: RecordDeps, generation: string, of: { readonly tenant: string; readonly model: string }, at: ReplicaView) {
    const fence = deps.random.id();
    try {
      await deps.generations.begin(generation, { ...of, ...leadOf(at, deps), fence }, RECORD_MS);
    } catch (thrown) {
      deps.logger.warn(
        { err: ServingError.from(thrown), generation },
        "a stream that was to be resumable is not: the store did not take it",
      );
      return undefined;
    }
    return new GenerationRecord(deps, generation, fence);
  }

  /**
   * The generation has another lead. A store that is away, or was emptied, does not end the stream.
   * @throws ServingError ABORTED when another gateway writes the stream now
   */
  async moved(to: ReplicaView): Promise<void> {
    this.#toldMs = this.#deps.clock.now();
    let kept: Awaited<ReturnType<GenerationStore["keep"]>>;
    try {
      kept = await this.#deps.generations.keep(this.#generation, { ...leadOf(to, this.#deps), fence: this.#fence }, RECORD_MS);
    } catch (thrown) {
      this.#deps.logger.warn(
        { err: ServingError.from(thrown), generation: this.#generation },
        "the store does not know where a stream went on",
      );
      return;
    }
    if (kept.kind === "taken") throw resumedElsewhere();
  }

  /** To be called now and then while it runs, so that it does not expire. */
  renew(at: ReplicaView): void {
    if (this.#deps.clock.now() - this.#toldMs < RENEW_MS) return;
    this.moved(at).catch(() => {}); // the lead says so, too
  }
}

export function resumedElsewhere(): ServingError {
  return new ServingError("ABORTED", "the stream was resumed over another connection: read on there", { reason: "resumed_elsewhere" });
}

function leadOf({ node }: ReplicaView, { fleet }: RecordDeps) {
  return { node, incarnation: fleet.node(node)?.heartbeat.incarnation ?? "" };
}
