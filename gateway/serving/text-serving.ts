/** Puts the serving core for text together from its parts: what a gateway's composition needs to know of it. */
import type { Bus } from "../../core/bus/bus.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { LinkNetwork } from "../../core/link/link.ts";
import type { Random } from "../../core/random.ts";
import type { GenerationStore } from "../../core/store/generations/generation-store.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { Metrics } from "../../core/telemetry/metrics.ts";
import { NO_TRACER, type Tracer } from "../../core/telemetry/tracing.ts";
import type { Fleet } from "../control/fleet.ts";
import type { DesiredReplica } from "../placement/desired.ts";
import { InFlight } from "../routing/in-flight.ts";
import { PrefixAffinity } from "../routing/prefix-affinity.ts";
import { EncodePool } from "../text/encode-pool.ts";
import { openTextModel, type TextModel } from "../text/text-model.ts";
import type { AnswerNode } from "./call-desk.ts";
import { createTextGeneration } from "./generation/generate.ts";
import type { GenerationJournals } from "./generation/generation-journals.ts";
import { FleetModelDirectory } from "./generation/model-directory.ts";
import type { ModelDirectory, TextGeneration } from "./generation/text-generation.ts";
import { LinkPool } from "./link-pool.ts";
import { NO_PATIENCE, type Patience } from "./returning-models.ts";
import { Submitter } from "./submit.ts";
import { TextBundles } from "./text-bundles.ts";

const MIGRATION_LIMIT = 3;
const BUNDLE_CACHE_BYTES = 256 * 1024 * 1024;

export interface TextServingDeps {
  /** Whether there may be models that this gateway has not heard of yet; no unless said. */
  readonly starting?: () => boolean;
  readonly bus: Bus;
  readonly links: LinkNetwork;
  /** As the submitter's. */
  readonly linkSubmitsMax?: number;
  /** Answers what nodes ask on their own behalf; nothing unless it is given. */
  readonly answerNode?: AnswerNode;
  readonly fleet: Fleet;
  readonly desired: () => readonly DesiredReplica[];
  /** How often in a row, without a token in between, a generation that has lost its lead is placed again; 0: never; 3 unless said. */
  readonly migrationLimit?: number;
  /** Where gateways find resumable generations. */
  readonly generations: GenerationStore;
  /** Of generations that were lost with their gateway; undefined: this gateway has no key to them. */
  readonly journals?: GenerationJournals | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** With requests for models that are away; none unless it is given. */
  readonly patience?: Patience;
  /** Nothing is traced unless it is given. */
  readonly tracer?: Tracer;
}

/** Disposing it closes the links: end the doors first. */
export interface TextServing extends AsyncDisposable {
  readonly generation: TextGeneration;
  /** For whatever else this gateway submits over the same links. */
  readonly submitter: Submitter;
  readonly inFlight: InFlight;
  readonly models: ModelDirectory;
  /**
   * Dials the nodes that lead ready replicas, and opens their models' text sides, so that no request waits for it. To be called
   * when the fleet changes; costs nothing where all is there.
   */
  warm(): void;
  /** The agents are about to stop: generations that lose their lead are not placed again. */
  retire(): void;
}

export function createTextServing(deps: TextServingDeps): TextServing {
  const { fleet, desired, generations, clock, random, metrics, logger, tracer = NO_TRACER, patience = NO_PATIENCE } = deps;
  const pool = new LinkPool(deps);
  const submitter = new Submitter({ ...deps, pool });
  const encodePool = new EncodePool();
  const bundles = new TextBundles<TextModel>({ submitter, clock, bytesMax: BUNDLE_CACHE_BYTES, open: openTextModel });
  const models = new FleetModelDirectory({ fleet, desired, wallClockMs: () => clock.wallClockMs() });
  const inFlight = new InFlight();
  const affinity = new PrefixAffinity();
  let migrationLimit = deps.migrationLimit ?? MIGRATION_LIMIT;
  const closing = new AbortController();
  const warmed = new Set<string>();

  const warmOne = async (digest: string, target: Parameters<typeof bundles.get>[1]): Promise<void> => {
    try {
      const model = await bundles.get(digest, target, closing.signal);
      model.tokenizer.encode("warm", { addSpecial: false }); // opens the vocabulary
    } catch (thrown) {
      warmed.delete(digest);
      if (!closing.signal.aborted)
        logger.warn({ err: ServingError.from(thrown), node: target.node }, "a model's text side could not be fetched");
    }
  };

  return {
    generation: createTextGeneration({
      fleet,
      directory: models,
      starting: deps.starting,
      submitter,
      bundles,
      encodePool,
      inFlight,
      affinity,
      generations,
      journals: deps.journals,
      clock,
      random,
      logger,
      metrics,
      migrationLimit: () => migrationLimit,
      tracer,
      patience,
    }),
    models,
    submitter,
    inFlight,
    warm() {
      for (const replica of fleet.replicas()) {
        if (!replica.ready || warmed.has(replica.textDigest)) continue;
        warmed.add(replica.textDigest);
        warmOne(replica.textDigest, replica).catch(() => {}); // logged there
      }
    },
    retire() {
      migrationLimit = 0;
    },
    async [Symbol.asyncDispose]() {
      migrationLimit = 0;
      closing.abort(new ServingError("UNAVAILABLE", "the gateway is shutting down: try another"));
      submitter[Symbol.dispose]();
      pool[Symbol.dispose]();
      await encodePool.close();
    },
  };
}
