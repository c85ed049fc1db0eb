/**
 * Models that are loaded when the first request asks for them: that request and those behind it are parked until the model serves.
 * Where memory is short, models that were loaded like this and are idle make room.
 */
import { untilAborted } from "../../core/abort.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type ModelName, modelName } from "../../core/ids.ts";
import { hasLabels, type NodeLabels } from "../../core/node-labels.ts";
import type { WantedEntry, WantedLoad } from "../../core/store/placement/wanted-models.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import { chooseEvictions, type Guest, type NodeGuests } from "../placement/choose-evictions.ts";
import { missingLabels } from "../placement/missing-labels.ts";
import { bytesNeeded } from "../placement/node-rooms.ts";
import type { ModelControl, ModelDemand } from "../serving/model-catalog.ts";
import type { Fleet } from "./fleet.ts";
import type { ModelFolders } from "./model-folders.ts";

/** Requests that wait for loads at this gateway. */
const PARKED_MAX = 1_000;
/** A model that could not be loaded is not tried again before. */
const FAILED_MS = 5_000;
/** A model that was asked for within this time is not idle. */
const IDLE_MS = 10_000;
/** How often a model is asked for counts half after this time. */
const HALF_LIFE_MS = 60_000;
/** What is unloaded has given its memory back by then. */
const ROOM_MS = 30_000;
const ROOM_PERIOD_MS = 250;

export interface LoadsOnDemandDeps {
  readonly control: Pick<ModelControl, "load" | "unload">;
  readonly folders: ModelFolders;
  readonly fleet: Pick<Fleet, "nodes" | "models" | "shards" | "replicas">;
  readonly entries: () => ReadonlyMap<string, WantedEntry>;
  /** Whether a version of the model takes requests at this gateway. */
  readonly isServed: (model: string) => boolean;
  /** @throws ServingError when no node can be reached at all */
  readonly checkReach: () => void;
  /** When each model was asked last, at whichever gateway, as nodes tell: Unix time in milliseconds. @throws the signal's reason */
  readonly lastAsked: (signal: AbortSignal) => Promise<ReadonlyMap<string, number>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Usage {
  readonly lastMs: number;
  /** Requests, those of long ago counting less. */
  readonly count: number;
}

export class LoadsOnDemand implements ModelDemand, Disposable {
  readonly #deps: LoadsOnDemandDeps;
  readonly #loads = new Map<string, Promise<void>>();
  readonly #failed = new Map<string, { readonly untilMs: number; readonly error: ServingError }>();
  readonly #usage = new Map<string, Usage>();
  readonly #closing = new AbortController();
  #parked = 0;

  constructor(deps: LoadsOnDemandDeps) {
    this.#deps = deps;
  }

  ready(name: string, signal: AbortSignal): Promise<void> | undefined {
    if (!this.#deps.isServed(name)) return this.#loaded(name, signal);
    this.#use(name);
    return undefined;
  }

  async #loaded(name: string, signal: AbortSignal): Promise<void> {
    this.#deps.checkReach();
    if (this.#parked >= PARKED_MAX) {
      throw new ServingError("RESOURCE_EXHAUSTED", `${this.#parked} requests wait for models to be loaded: try again later`, {
        reason: "full",
      });
    }
    const failed = this.#failed.get(name);
    if (failed !== undefined && failed.untilMs > this.#deps.clock.now()) throw failed.error;
    this.#parked += 1;
    try {
      await untilAborted(this.#loading(name), signal);
      if (this.#deps.isServed(name)) this.#use(name); // else clients have made the name up
    } finally {
      this.#parked -= 1;
    }
  }

  #use(name: string): void {
    const nowMs = this.#deps.clock.now();
    this.#usage.set(name, { lastMs: nowMs, count: this.#demand(name, nowMs) + 1 });
  }

  #demand(name: string, nowMs: number): number {
    const usage = this.#usage.get(name);
    return usage === undefined ? 0 : usage.count * 2 ** ((usage.lastMs - nowMs) / HALF_LIFE_MS);
  }

  /** One load for all that wait for it; it goes on when they leave. */
  #loading(name: string): Promise<void> {
    const known = this.#loads.get(name);
    if (known !== undefined) return known;
    const loading = this.#load(name).finally(() => this.#loads.delete(name));
    loading.catch(() => {}); // told to whoever is parked
    this.#loads.set(name, loading);
    return loading;
  }

  async #load(name: string): Promise<void> {
    const { control, folders, clock } = this.#deps;
    if (!(await folders.names()).includes(name)) return; // the door says that there is none
    try {
      const plan = await folders.plan(modelName(name), { files: new Map() });
      await this.#makeRoom(modelName(name), plan);
      await control.load(name, { files: new Map(), onDemand: true }, this.#closing.signal);
      this.#failed.delete(name);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      this.#failed.set(name, { untilMs: clock.now() + FAILED_MS, error });
      throw error;
    }
  }

  /** @throws ServingError RESOURCE_EXHAUSTED when idle models do not free enough */
  async #makeRoom(model: ModelName, plan: Pick<WantedLoad, "bytes" | "language" | "labels">): Promise<void> {
    const { bytes, language, labels } = plan;
    const { control, fleet, clock, logger } = this.#deps;
    const missing = missingLabels(labels, fleet.nodes());
    if (missing !== undefined) throw new ServingError("UNAVAILABLE", `model ${model} cannot be loaded: ${missing}`);
    const untilMs = clock.now() + ROOM_MS;
    let asked: ReadonlyMap<string, number> | undefined;
    for (;;) {
      const nodes = this.#guests(labels, asked);
      // One that may have any number of stages fits where a stage on each node does.
      const stages = language === undefined ? 1 : Math.max(1, language.stages === 0 ? nodes.length : language.stages);
      const need = bytesNeeded(bytes / stages);
      const evictions = chooseEvictions(need, nodes);
      if (evictions.kind === "fits" || nodes.length === 0) return;
      if (asked === undefined) {
        asked = await this.#deps.lastAsked(this.#closing.signal);
        continue;
      }
      if (evictions.kind === "full" || clock.now() >= untilMs) throw noRoom(model, need, fleet);
      for (const victim of evictions.models) {
        if (this.#deps.entries().get(victim)?.wanted.current === undefined) continue; // on its way out
        logger.info({ victim, for: model }, "an idle model makes room");
        await control.unload(victim, { dependents: false });
      }
      await sleep(clock, ROOM_PERIOD_MS, this.#closing.signal);
    }
  }

  /** @param lastAsked what other gateways have asked as well; nothing unless it is given */
  #guests(labels: NodeLabels | undefined, lastAsked: ReadonlyMap<string, number> = new Map()): readonly NodeGuests[] {
    const { fleet, clock, entries } = this.#deps;
    const nowMs = clock.now();
    const wallClockMs = clock.wallClockMs();
    const busy = new Set([
      ...fleet.models().flatMap(({ model, inFlight, queued }) => (inFlight + queued > 0 ? [model] : [])),
      ...fleet.replicas().flatMap(({ model, busySlots, queued }) => (busySlots + queued > 0 ? [model] : [])),
    ]);
    const guestOf = (model: string, share: number): Guest => {
      const load = entries().get(model)?.wanted.current;
      const bytes = bytesNeeded((load?.bytes ?? 0) / share);
      const idleHereMs = nowMs - (this.#usage.get(model)?.lastMs ?? Number.NEGATIVE_INFINITY);
      const idleMs = Math.min(idleHereMs, wallClockMs - (lastAsked.get(model) ?? Number.NEGATIVE_INFINITY));
      const idle = load?.onDemand === true && !busy.has(model) && idleMs >= IDLE_MS;
      // What other gateways ask counts as one request, when it was.
      const demand = Math.max(this.#demand(model, nowMs), 2 ** (-Math.max(0, idleMs) / HALF_LIFE_MS));
      return { model, bytes, worth: demand * bytes, idle };
    };
    const nodes = fleet.nodes().filter(({ heartbeat }) => hasLabels(heartbeat.labels, labels));
    return nodes.map(({ node, heartbeat }) => ({
      freeBytes: heartbeat.memoryFreeBytes,
      guests: [
        ...fleet.models().flatMap((one) => (one.node === node ? [guestOf(one.model, 1)] : [])),
        ...fleet.shards().flatMap((one) => (one.node === node ? [guestOf(one.model, one.stages)] : [])),
      ],
    }));
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new ServingError("UNAVAILABLE", "the gateway is shutting down: try another"));
  }
}

const MiB = 2 ** 20;

function noRoom(model: ModelName, need: number, fleet: Pick<Fleet, "nodes">): ServingError {
  const most = Math.max(0, ...fleet.nodes().map(({ heartbeat }) => heartbeat.memoryFreeBytes));
  return new ServingError(
    "RESOURCE_EXHAUSTED",
    `model ${model} needs about ${Math.ceil(need / MiB)} MiB on a node, ${Math.floor(most / MiB)} MiB are free and what is idle is not enough: ` +
      "unload a model, or add a node",
    { reason: "no_room" },
  );
}
