/** Puts the serving core for whole models together from its parts: what a gateway's composition needs to know of it. */
import type { Clock } from "../../core/clock.ts";
import { parsePublishedModel } from "../../core/model/published-model.ts";
import type { NearAgents } from "../../core/near-agents.ts";
import type { Random } from "../../core/random.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { NO_TRACER, type Tracer } from "../../core/telemetry/tracing.ts";
import type { Fleet, ModelOnNode } from "../control/fleet.ts";
import type { InFlight } from "../routing/in-flight.ts";
import { FleetModelCatalog } from "./fleet-model-catalog.ts";
import { FleetStatistics } from "./fleet-statistics.ts";
import type { ModelDirectory } from "./generation/text-generation.ts";
import { createInference } from "./infer.ts";
import type { CalledLanguageModel } from "./infer-submit.ts";
import type { Inference } from "./inference.ts";
import type { ModelCatalog, ModelStatisticsSource } from "./model-catalog.ts";
import { ModelViews, type ServedVersion } from "./model-views.ts";
import { NO_PATIENCE, type Patience } from "./returning-models.ts";
import type { Submitter } from "./submit.ts";
import { TextBundles } from "./text-bundles.ts";

const VIEWS_BYTES_MAX = 64 * 1024 * 1024;

export interface ModelServingDeps {
  readonly fleet: Fleet;
  readonly directory: ModelDirectory;
  readonly submitter: Submitter;
  readonly inFlight: InFlight;
  /** Whether this gateway takes requests and can bring them to nodes; always unless said. */
  readonly serving?: () => boolean;
  /** Whether there may be models that this gateway has not heard of yet; no unless said. */
  readonly starting?: () => boolean;
  /** False: the server is ready while models are not. */
  readonly strictReadiness?: boolean | undefined;
  /** Whole models that should be ready, and all that somebody has asked for. */
  readonly wanted: () => readonly { readonly replica: string; readonly model: string; readonly version: string }[];
  readonly known: () => readonly { readonly model: string; readonly version: string }[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** With requests for models that are away; none unless it is given. */
  readonly patience?: Patience;
  /** Nothing is traced unless it is given. */
  readonly tracer?: Tracer;
  /** Agents in this process; none unless it is given. */
  readonly near?: NearAgents | undefined;
  /** What calls of language models are answered with; none are called unless it is given. */
  readonly calledLanguageModel?: CalledLanguageModel;
}

export interface ModelServing extends Disposable {
  readonly inference: Inference;
  readonly catalog: ModelCatalog;
  readonly statistics: ModelStatisticsSource;
  /** All that serves now. */
  served(): readonly ServedVersion[];
  /** What the fleet hosts, as this gateway can use it. */
  hosted(): readonly ModelOnNode[];
  /** To be called when the fleet changes, or what is wanted. */
  refresh(): void;
  /** Called when a model has become servable. */
  onChange(listener: () => void): void;
}

export function createModelServing(deps: ModelServingDeps): ModelServing {
  const { fleet, submitter, clock, logger } = deps;
  const bundles = new TextBundles({ submitter, clock, bytesMax: VIEWS_BYTES_MAX, open: parsePublishedModel });
  const views = new ModelViews({ fleet, languageModels: deps.directory, wanted: deps.wanted, bundles, logger });
  const catalog = new FleetModelCatalog({ ...deps, views });
  return {
    inference: createInference({ tracer: NO_TRACER, patience: NO_PATIENCE, calledLanguageModel: () => undefined, ...deps, views, catalog }),
    catalog,
    statistics: new FleetStatistics({ ...deps, views }),
    served: () => views.served(),
    hosted: () => views.hosted(),
    refresh: () => views.refresh(),
    onChange: (listener) => views.onChange(listener),
    [Symbol.dispose]: () => views[Symbol.dispose](),
  };
}
