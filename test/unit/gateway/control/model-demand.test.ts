/** Requests for models that are not loaded, on a fleet with so much memory that does what it is told when the test lets it. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import type { NodeLabels } from "../../../../core/node-labels.ts";
import type { WantedEntry } from "../../../../core/store/placement/wanted-models.ts";
import { Fleet } from "../../../../gateway/control/fleet.ts";
import { LoadsOnDemand } from "../../../../gateway/control/model-demand.ts";
import { bytesNeeded } from "../../../../gateway/placement/node-rooms.ts";
import type { LoadOverrides } from "../../../../gateway/serving/model-catalog.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

const NEVER = new AbortController().signal;
const GiB = 2 ** 30;

/** One node; every model needs the same. */
class Rig {
  readonly clock = new FakeClock();
  readonly fleet = new Fleet();
  readonly served = new Map<string, { readonly onDemand: boolean; inFlight: number }>();
  readonly told: string[] = [];
  /** Loads wait for it. */
  held: Promise<void> = Promise.resolve();
  failure: ServingError | undefined;
  /** That every model asks for. */
  labels: NodeLabels | undefined;
  /** When other gateways asked last, by model. */
  readonly elsewhere = new Map<string, number>();
  readonly demand: LoadsOnDemand;
  readonly #room: number;
  #sequence = 0;

  /** @param room models that fit */
  constructor(room = 10) {
    this.#room = room;
    this.beat();
    this.demand = new LoadsOnDemand({
      control: {
        load: (name, overrides) => this.#load(name, overrides),
        unload: async (name) => {
          this.told.push(`unload ${name}`);
          this.served.delete(name);
          this.beat();
        },
      },
      folders: {
        ambiguous: async () => [],
        names: async () => ["a", "b", "c"],
        plan: async () => ({
          versions: ["1"],
          source: "",
          config: "",
          fingerprint: "f",
          copies: 1,
          bytes: GiB,
          ...(this.labels && { labels: this.labels }),
        }),
      },
      fleet: this.fleet,
      entries: () => this.#entries(),
      isServed: (model) => this.served.has(model),
      checkReach: () => {},
      lastAsked: async () => this.elsewhere,
      clock: this.clock,
      logger: new LogBook().logger,
    });
  }

  async ready(name: string, signal = NEVER): Promise<void> {
    await this.demand.ready(name, signal);
  }

  beat(): void {
    this.#sequence += 1;
    const models = [...this.served].map(([model, { inFlight }]) => ({
      replica: `${model}/1/1`,
      model,
      version: "1",
      state: { kind: "ready", view: "v" } as const,
      inFlight,
      queued: 0,
    }));
    const memoryFreeBytes = (this.#room - this.served.size) * bytesNeeded(GiB);
    const node = { node: "n", incarnation: "1", link: "l", wire: "w", cpu: "c", memoryTotalBytes: 64 * GiB, shards: [], replicas: [] };
    this.fleet.hear({ ...node, sequence: this.#sequence, memoryFreeBytes, models }, this.clock.now());
  }

  async #load(name: string, overrides: LoadOverrides): Promise<void> {
    this.told.push(`load ${name}`);
    await this.held;
    if (this.failure !== undefined) throw this.failure;
    this.served.set(name, { onDemand: overrides.onDemand === true, inFlight: 0 });
    this.beat();
  }

  #entries(): ReadonlyMap<string, WantedEntry> {
    const load = { number: 1, fingerprint: "f", versions: ["1"], source: "", config: "", copies: 1, bytes: GiB };
    return new Map(
      [...this.served].map(([model, { onDemand }]) => [model, { version: 1, wanted: { current: { ...load, onDemand }, gone: [] } }]),
    );
  }
}

describe("models on demand", () => {
  test("are refused where no node has the labels that they ask for", async () => {
    const rig = new Rig();
    rig.labels = { zone: "a" };
    await expect(rig.ready("a")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "model a cannot be loaded: no node has the labels zone=a: start an agent with --labels zone=a",
    });
    expect(rig.told).toEqual([]);
  });

  test("are loaded once for all requests that come before they serve", async () => {
    const rig = new Rig();
    const hold = Promise.withResolvers<void>();
    rig.held = hold.promise;
    const parked = Array.from({ length: 20 }, () => rig.ready("a"));
    await turns();
    hold.resolve();
    await Promise.all(parked);
    await rig.ready("a");
    expect(rig.told).toEqual(["load a"]);
  });

  test("go on being loaded when the client that asked has left", async () => {
    const rig = new Rig();
    const hold = Promise.withResolvers<void>();
    rig.held = hold.promise;
    const client = new AbortController();
    const leaving = rig.ready("a", client.signal);
    await turns();
    client.abort(new Error("gone"));
    await expect(leaving).rejects.toThrow("gone");
    hold.resolve();
    await rig.ready("a");
    expect(rig.told).toEqual(["load a"]);
  });

  test("that are not in the repository are left to the catalog", async () => {
    const rig = new Rig();
    await rig.ready("nobody");
    expect(rig.told).toEqual([]);
  });

  test("are not remembered by names that clients make up", async () => {
    const rig = new Rig(2);
    await rig.ready("b");
    for (let asked = 0; asked < 9; asked++) await rig.ready("a-").catch(() => {});
    rig.served.set("a-", { onDemand: true, inFlight: 0 });
    rig.beat();
    rig.clock.advance(11_000);
    const coming = rig.ready("c");
    await rig.clock.pass(500);
    await coming;
    expect(rig.told).toEqual(["load b", "unload a-", "load c"]);
  });

  test("that cannot be loaded tell why to all who wait, and are tried again after a while", async () => {
    const rig = new Rig();
    rig.failure = new ServingError("INVALID_ARGUMENT", "no such operator");
    const parked = [rig.ready("a"), rig.ready("a")];
    for (const one of parked) await expect(one).rejects.toThrow("no such operator");
    await expect(rig.ready("a")).rejects.toThrow("no such operator");
    expect(rig.told).toEqual(["load a"]);
    rig.failure = undefined;
    rig.clock.advance(5_001);
    await rig.ready("a");
    expect(rig.told).toEqual(["load a", "load a"]);
  });

  test("make room for another one when memory is short: the one that is asked for least", async () => {
    const rig = new Rig(2);
    for (const name of ["a", "b", "a", "a"]) await rig.ready(name);
    rig.clock.advance(11_000);
    const coming = rig.ready("c");
    await rig.clock.pass(500);
    await coming;
    expect(rig.told).toEqual(["load a", "load b", "unload b", "load c"]);
  });

  test("do not push out what runs, what was just asked for, or what a client has loaded", async () => {
    const rig = new Rig(3);
    for (const name of ["a", "b"]) await rig.ready(name);
    rig.served.set("explicit", { onDemand: false, inFlight: 0 });
    const running = rig.served.get("a");
    if (running !== undefined) running.inFlight = 1;
    rig.clock.advance(11_000);
    await rig.ready("b");
    rig.beat();
    await expect(rig.ready("c")).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED", message: expect.stringContaining("add a node") });
    expect(rig.told.filter((line) => line.startsWith("unload"))).toEqual([]);
  });

  test("do not push out what another gateway asks for", async () => {
    const rig = new Rig(2);
    for (const name of ["a", "b", "b"]) await rig.ready(name);
    rig.clock.advance(11_000);
    rig.elsewhere.set("a", rig.clock.wallClockMs() - 1_000);
    const coming = rig.ready("c");
    await rig.clock.pass(500);
    await coming;
    expect(rig.told).toEqual(["load a", "load b", "unload b", "load c"]);
  });

  test("park so many requests and no more", async () => {
    const rig = new Rig();
    const hold = Promise.withResolvers<void>();
    rig.held = hold.promise;
    const parked = Array.from({ length: 1_000 }, () => rig.ready("a"));
    await expect(rig.ready("a")).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "full" });
    await turns();
    hold.resolve();
    await Promise.all(parked);
  });
});
