/** What a gateway is told to do, and what it is given to do it with. */
import type { Bus } from "../core/bus/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { DoorOptions } from "../core/door-options.ts";
import type { LinkNetwork } from "../core/link/link.ts";
import type { Random } from "../core/random.ts";
import type { ModelSources } from "../core/repository/model-sources.ts";
import type { GenerationStore } from "../core/store/generations/generation-store.ts";
import type { QuotaStore } from "../core/store/quotas/quota-store.ts";
import type { Logger } from "../core/telemetry/logger.ts";
import type { Metrics } from "../core/telemetry/metrics.ts";
import type { TelemetryOptions } from "../core/telemetry/options.ts";
import type { Tracer } from "../core/telemetry/tracing.ts";
import type { PlacementStore } from "./control/control-plane.ts";
import type { DoorAddresses, DoorDeps } from "./doors.ts";
import type { PresetModel } from "./placement/preset-model.ts";
import type { GenerationJournals } from "./serving/generation/generation-journals.ts";
import type { ModelServingDeps } from "./serving/model-serving.ts";

export interface GatewayOptions extends DoorAddresses {
  /** As Triton has it unless said. */
  readonly doors?: Partial<DoorOptions>;
  /** What is served in any case, whatever the repository says of it. */
  readonly presets: readonly PresetModel[];
  /**
   * `none` serves all that the repository has, `poll` also what it gets later, `explicit` what clients load, `on-demand` also what
   * requests ask for, `off` nothing but the presets.
   */
  readonly modelControl: "none" | "poll" | "explicit" | "on-demand" | "off";
  /** False: the server is ready once all that is served from the start has been tried, whatever became of it. */
  readonly strictReadiness?: boolean;
  /** With `explicit`: what is loaded at the start; `*` is all. */
  readonly loadModel?: readonly string[];
  /** With `poll`. */
  readonly repositoryPollSecs?: number;
  /** Nodes to wait for before anything is placed; 0: whoever speaks in the time in which every node does. */
  readonly nodesMin: number;
  /** Whether models move to a node that has come, so that nodes are filled alike; no unless said. */
  readonly rebalance?: boolean;
  /** What is measured and told; the defaults unless said. */
  readonly telemetry?: Partial<TelemetryOptions>;
  /** See TextServingDeps. */
  readonly migrationLimit?: number;
  /** How long new requests wait for a model of which no copy is there at the moment; 0: not at all. */
  readonly absenceWaitMs?: number;
  /** Nereid's own version, for metadata. */
  readonly version: string;
}

export interface GatewayDeps extends Pick<ModelServingDeps, "near">, Pick<DoorDeps, "logControl" | "accessLog" | "auditLog"> {
  readonly store: PlacementStore;
  /** Where gateways find resumable generations; this gateway alone has its own unless said. */
  readonly generations?: GenerationStore;
  /** Of resumable generations that were lost with their gateway; undefined: this one cannot read them. */
  readonly journals?: GenerationJournals | undefined;
  /** Where gateways share what API keys have used; undefined: this one is the only one. */
  readonly quotas?: QuotaStore | undefined;
  readonly bus: Bus;
  readonly links: LinkNetwork;
  readonly sources: ModelSources;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Where traces are exported to, where the options say so (`openTracer`). */
  readonly tracer?: Tracer | undefined;
}
