/** Loads and unloads at one gateway or another of the same cluster, with a fleet that does what the test says. */
import { describe, expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import type { ModelReport } from "../../../../core/messages/heartbeat.ts";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryPlacementStore } from "../../../../core/store/placement/memory.ts";
import type { ModelOnNode } from "../../../../gateway/control/fleet.ts";
import { ClusterModelControl } from "../../../../gateway/control/model-control.ts";
import { WantedWatch } from "../../../../gateway/control/wanted-watch.ts";
import type { LoadPlan } from "../../../../gateway/placement/wanted-transitions.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

const NONE = { files: new Map<string, Uint8Array>() };
const NEVER = new AbortController().signal;

/** A repository with one model whose plan the test changes, the gateways of one cluster, and the fleet as the test reports it. */
class Rig {
  plan: LoadPlan = { versions: ["1"], source: "", config: "", fingerprint: "a", copies: 1, bytes: 0 };
  readonly clock = new FakeClock();
  readonly store = new MemoryPlacementStore({ clock: this.clock, random: seededRandom(1n) });
  readonly log = new LogBook();
  readonly states = new Map<string, ModelReport["state"]>();
  readonly control: ClusterModelControl;
  readonly other: ClusterModelControl;
  readonly #mode: "explicit" | "none";

  constructor(mode: "explicit" | "none" = "explicit") {
    this.#mode = mode;
    this.control = this.gateway();
    this.other = this.gateway();
  }

  gateway(): ClusterModelControl {
    const { clock, log } = this;
    const watch = new WantedWatch({ store: this.store.wantedModels, clock, logger: log.logger });
    return new ClusterModelControl({
      folders: { ambiguous: async () => [], names: async () => ["m"], plan: async () => this.plan },
      watch,
      hosted: { models: () => this.#hosted(), shards: () => [], replicas: () => [] },
      logger: log.logger,
      mode: this.#mode,
    });
  }

  /** Every replica that is wanted and has no state yet gets this one; all gateways hear of it. */
  async report(state: ModelReport["state"]): Promise<void> {
    for (const { replica } of this.control.desired().models) if (!this.states.has(replica)) this.states.set(replica, state);
    this.control.fleetChanged();
    this.other.fleetChanged();
    await this.clock.pass(600);
  }

  /** Versions and numbers that are wanted. */
  versions(): readonly string[] {
    return this.control.desired().models.map(({ replica }) => replica);
  }

  async load(state: ModelReport["state"], control = this.control): Promise<void> {
    const loading = control.load("m", NONE, NEVER);
    loading.catch(() => {}); // awaited below
    await this.clock.pass(600);
    await this.report(state);
    await loading;
  }

  #hosted(): readonly ModelOnNode[] {
    return [...this.states].map(([replica, state]) => {
      const [model = "", version = ""] = replica.split("/");
      return { replica, model, version, state, inFlight: 0, queued: 0, node: nodeId("n"), incarnation: "i", link: "l", leaving: false };
    });
  }
}

const READY = { kind: "ready", view: "v" } as const;
const BROKEN = { kind: "failed", reason: "no such operator" } as const;
const reason = "no such operator";

describe("model control", () => {
  test("a load ends when every version is ready, and the index of every gateway says so", async () => {
    const rig = new Rig();
    rig.plan = { ...rig.plan, versions: ["2", "3"] };
    await rig.load(READY);
    for (const control of [rig.control, rig.other]) {
      expect(await control.index()).toEqual([
        { name: "m", version: "2", state: "READY" },
        { name: "m", version: "3", state: "READY" },
      ]);
    }
  });

  test("a load does not end while a version is on its way", async () => {
    const rig = new Rig();
    rig.plan = { ...rig.plan, versions: ["2", "3"] };
    let ended = false;
    const loading = rig.control.load("m", NONE, NEVER).then(() => {
      ended = true;
    });
    await rig.clock.pass(600);
    const [first = ""] = rig.versions();
    rig.states.set(first, READY);
    await rig.report({ kind: "loading" });
    expect(ended).toBe(false);
    rig.states.clear();
    await rig.report(READY);
    await loading;
  });

  test("a load of what has not changed does nothing, at any gateway", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const before = rig.versions();
    await rig.control.load("m", NONE, NEVER);
    await rig.other.load("m", NONE, NEVER);
    expect(rig.versions()).toEqual(before);
  });

  test("a reload wants the new beside the old until the new is ready, then the new alone", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const [old = ""] = rig.versions();
    rig.plan = { ...rig.plan, fingerprint: "b" };
    const reload = rig.other.load("m", NONE, NEVER);
    await rig.clock.pass(600);
    expect(rig.versions()).toEqual([old, expect.stringMatching(/^m\/1\/\d+$/)]);
    const [, young] = rig.versions();
    await rig.report(READY);
    await reload;
    expect(rig.versions()).toEqual([young]);
  });

  test("a reload takes over versions that have not changed as they run, and loads the others beside the old", async () => {
    const rig = new Rig();
    rig.plan = { ...rig.plan, versions: ["1", "2"], digests: { 1: "x", 2: "y" } };
    await rig.load(READY);
    const [one = "", two = ""] = rig.versions();
    rig.plan = { ...rig.plan, fingerprint: "b", digests: { 1: "x", 2: "z" } };
    const reload = rig.other.load("m", NONE, NEVER);
    await rig.clock.pass(600);
    expect(rig.versions()).toEqual([one, two, expect.stringMatching(/^m\/2\/\d+$/)]);
    await rig.report(READY);
    await reload;
    const third = { ...rig.plan, fingerprint: "c", versions: ["1", "2", "3"], digests: { 1: "x", 2: "z", 3: "w" } };
    const [, newTwo] = rig.versions();
    rig.plan = third;
    await rig.load(READY);
    expect(rig.versions()).toEqual([one, newTwo, expect.stringMatching(/^m\/3\/\d+$/)]);
  });

  test("a reload that fails leaves versions alone that it would have taken over", async () => {
    const rig = new Rig();
    rig.plan = { ...rig.plan, versions: ["1", "2"], digests: { 1: "x", 2: "y" } };
    await rig.load(READY);
    const before = rig.versions();
    rig.plan = { ...rig.plan, fingerprint: "b", digests: { 1: "x", 2: "z" } };
    await expect(rig.load(BROKEN)).rejects.toThrow("load failed for model 'm': version 2 is at UNAVAILABLE state: no such operator;\n");
    expect(rig.versions()).toEqual(before);
  });

  test("a reload that fails is refused with the reason, and what served goes on", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const before = rig.versions();
    rig.plan = { ...rig.plan, fingerprint: "b" };
    await expect(rig.load(BROKEN)).rejects.toThrow("load failed for model 'm': version 1 is at UNAVAILABLE state: no such operator;\n");
    expect(rig.versions()).toEqual(before);
    expect(await rig.control.index()).toEqual([{ name: "m", version: "1", state: "READY" }]);
  });

  test("a first load that fails leaves its reason in the index and nothing to place", async () => {
    const rig = new Rig();
    await expect(rig.load(BROKEN)).rejects.toThrow(reason);
    expect(rig.versions()).toEqual([]);
    expect(await rig.other.index()).toEqual([{ name: "m", version: "1", state: "UNAVAILABLE", reason }]);
  });

  test("a load can be tried again after one that failed, and gets another number", async () => {
    const rig = new Rig();
    await expect(rig.load(BROKEN)).rejects.toThrow(reason);
    await rig.load(READY);
    expect(await rig.control.index()).toEqual([{ name: "m", version: "1", state: "READY" }]);
  });

  test("what has failed on its node since is loaded anew though nothing has changed", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const [before = ""] = rig.versions();
    rig.states.set(before, BROKEN);
    await rig.load(READY);
    expect(rig.versions()).not.toContain(before);
  });

  test("an unloaded model is gone at every gateway, known as unloaded, and its number is not used again", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const before = rig.versions();
    await rig.other.unload("m", { dependents: false });
    await rig.clock.pass(600);
    expect(rig.versions()).toEqual([]);
    rig.states.clear();
    for (const control of [rig.control, rig.other])
      expect(await control.index()).toEqual([{ name: "m", version: "1", state: "UNAVAILABLE", reason: "unloaded" }]);
    await rig.load(READY);
    expect(rig.versions()).not.toEqual(before);
  });

  test("the newer of two loads wins, whichever gateways they were asked at, and the older is told", async () => {
    const rig = new Rig();
    const older = rig.control.load("m", NONE, NEVER);
    const refused = expect(older).rejects.toThrow("Newer operation has been applied");
    await rig.clock.pass(600);
    rig.plan = { ...rig.plan, fingerprint: "b" };
    await rig.load(READY, rig.other);
    await refused;
    expect(rig.versions()).toHaveLength(1);
  });

  test("equal loads at two gateways at once are one load", async () => {
    const rig = new Rig();
    const loads = [rig.control.load("m", NONE, NEVER), rig.other.load("m", NONE, NEVER)];
    await rig.clock.pass(600);
    expect(rig.versions()).toHaveLength(1);
    await rig.report(READY);
    await Promise.all(loads);
  });

  test("who waits for a load stops waiting when the client hangs up, and the load goes on", async () => {
    const rig = new Rig();
    const client = new AbortController();
    const loading = rig.control.load("m", NONE, client.signal);
    await rig.clock.pass(600);
    client.abort(new Error("the client is gone"));
    await expect(loading).rejects.toThrow("the client is gone");
    await rig.report(READY);
    expect(await rig.other.index()).toEqual([{ name: "m", version: "1", state: "READY" }]);
  });

  test("while the store is away loads are refused as unavailable, and what is known holds", async () => {
    const rig = new Rig();
    await rig.load(READY);
    rig.store.setAway(true);
    await rig.clock.pass(1_000);
    rig.plan = { ...rig.plan, fingerprint: "b" };
    await expect(rig.control.load("m", NONE, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await rig.control.index()).toEqual([{ name: "m", version: "1", state: "READY" }]);
    rig.store.setAway(false);
    await rig.load(READY);
    expect(rig.log.lines.filter((line) => line.startsWith("warn what is wanted cannot be read")).length).toBe(2); // once a gateway
  });

  test("a store that comes later than the gateway is waited for before anything is loaded", async () => {
    const rig = new Rig("none");
    rig.store.setAway(true);
    const young = rig.gateway();
    let heard = false;
    const hearing = young.storeHeard(NEVER).then(() => {
      heard = true;
    });
    await rig.clock.pass(2_000);
    expect(heard).toBe(false);
    rig.store.setAway(false);
    await rig.clock.pass(600);
    await hearing;
  });

  test("an emptied store gets back what was wanted, whichever gateway notices first", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const before = rig.versions();
    rig.store.wipe();
    await rig.clock.pass(600);
    expect(rig.versions()).toEqual(before);
    expect(await rig.store.wantedModels.read(undefined)).toMatchObject({ entries: new Map([["m", expect.anything()]]) });
    expect(rig.log.lines.some((line) => line.startsWith("warn the store has lost what was wanted"))).toBe(true);
  });

  test("numbers are above those of replicas that nodes still hold though the store has forgotten them", async () => {
    const rig = new Rig();
    rig.states.set("m/1/40", READY);
    await rig.load(READY);
    expect(rig.versions()).toEqual(["m/1/41"]);
  });

  test("what serves and the store has never heard of can be unloaded", async () => {
    const rig = new Rig();
    rig.states.set("x/1/3", READY);
    expect(rig.control.isKnown("x")).toBe(false);
    await rig.control.unload("x", { dependents: false });
    expect(rig.control.isKnown("x")).toBe(true);
    await rig.control.unload("nobody", { dependents: false }); // is as it should be
    expect(rig.control.isKnown("nobody")).toBe(false);
  });

  test("without explicit control, loads and unloads are refused as Triton refuses them", async () => {
    const rig = new Rig("none");
    const text = "explicit model load / unload is not allowed if polling is enabled";
    await expect(rig.control.load("m", NONE, NEVER)).rejects.toThrow(text);
    await expect(rig.control.unload("m", { dependents: false })).rejects.toThrow(text);
  });

  test("what the repository has is loaded at start but for what is named", async () => {
    const rig = new Rig("none");
    expect(await rig.control.loadAll({ except: new Set(["m"]) }, NEVER)).toEqual([]);
    expect(rig.versions()).toEqual([]);
    const loading = rig.control.loadAll({ except: new Set() }, NEVER);
    await turns();
    await rig.report(BROKEN);
    expect((await loading).map(({ message }) => message)).toEqual([expect.stringContaining(reason)]);
  });

  test.each([
    [" ", "Model name cannot be empty. Please enter a valid name to deploy."],
    ["../m", "invalid model name '../m', model name must not contain path traversal characters"],
  ])("the name %j is refused before anything is read", async (name, text) => {
    await expect(new Rig().control.load(name, NONE, NEVER)).rejects.toThrow(text);
  });
});
