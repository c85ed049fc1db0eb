/** Loads and unloads, with a fleet that does what the test says. */
import { describe, expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import type { ModelReport } from "../../../../core/messages/heartbeat.ts";
import type { ModelOnNode } from "../../../../gateway/control/fleet.ts";
import { ClusterModelControl } from "../../../../gateway/control/model-control.ts";
import type { PlannedModel } from "../../../../gateway/control/model-folders.ts";

const NONE = { files: new Map<string, Uint8Array>() };

/** A repository with one model whose plan the test changes, and the fleet as the test reports it. */
class Rig {
  plan: PlannedModel = { versions: ["1"], source: "", config: "", fingerprint: "a" };
  readonly #states = new Map<string, ModelReport["state"]>();
  readonly control: ClusterModelControl;

  constructor(mode: "explicit" | "none" = "explicit") {
    const folders = { names: async () => ["m"], plan: async () => this.plan };
    this.control = new ClusterModelControl({ folders, fleet: { models: () => this.#hosted() }, nudge: () => {}, mode });
  }

  /** Every replica that is wanted and has no state yet gets this one. */
  report(state: ModelReport["state"]): void {
    for (const { replica } of this.control.desired()) if (!this.#states.has(replica)) this.#states.set(replica, state);
    this.control.fleetChanged();
  }

  versions(): readonly string[] {
    return this.control.desired().map(({ replica }) => replica);
  }

  async load(state: ModelReport["state"]): Promise<void> {
    const loading = this.control.load("m", NONE, new AbortController().signal);
    await Promise.resolve(); // the plan is read
    await Promise.resolve();
    this.report(state);
    await loading;
  }

  #hosted(): readonly ModelOnNode[] {
    return this.control.desired().flatMap(({ replica, model, version }) => {
      const state = this.#states.get(replica);
      return state === undefined ? [] : [{ replica, model, version, state, inFlight: 0, queued: 0, node: nodeId("n"), link: "l" }];
    });
  }
}

const READY = { kind: "ready", view: "v" } as const;
const BROKEN = { kind: "failed", reason: "no such operator" } as const;

describe("model control", () => {
  test("a load ends when every version is ready, and the index says so", async () => {
    const rig = new Rig();
    rig.plan = { ...rig.plan, versions: ["2", "3"] };
    await rig.load(READY);
    expect(await rig.control.index()).toEqual([
      { name: "m", version: "2", state: "READY" },
      { name: "m", version: "3", state: "READY" },
    ]);
  });

  test("a load of what has not changed does nothing", async () => {
    const rig = new Rig();
    await rig.load(READY);
    const before = rig.versions();
    await rig.control.load("m", NONE, new AbortController().signal);
    expect(rig.versions()).toEqual(before);
  });

  test("a reload wants the new beside the old until the new is ready, then the new alone", async () => {
    const rig = new Rig();
    await rig.load(READY);
    rig.plan = { ...rig.plan, fingerprint: "b" };
    const reload = rig.control.load("m", NONE, new AbortController().signal);
    await Promise.resolve();
    await Promise.resolve();
    expect(rig.versions()).toEqual(["m/1/1", "m/1/2"]);
    rig.report(READY);
    await reload;
    expect(rig.versions()).toEqual(["m/1/2"]);
  });

  test("a reload that fails is refused with the reason, and what served goes on", async () => {
    const rig = new Rig();
    await rig.load(READY);
    rig.plan = { ...rig.plan, fingerprint: "b" };
    await expect(rig.load(BROKEN)).rejects.toThrow("load failed for model 'm': version 1 is at UNAVAILABLE state: no such operator;\n");
    expect(rig.versions()).toEqual(["m/1/1"]);
    expect(await rig.control.index()).toEqual([{ name: "m", version: "1", state: "READY" }]);
  });

  test("a first load that fails leaves its reason in the index and nothing to place", async () => {
    const rig = new Rig();
    await expect(rig.load(BROKEN)).rejects.toThrow("no such operator");
    expect(rig.versions()).toEqual([]);
    expect(await rig.control.index()).toEqual([{ name: "m", version: "1", state: "UNAVAILABLE", reason: "no such operator" }]);
  });

  test("an unloaded model is gone at once and known as unloaded", async () => {
    const rig = new Rig();
    await rig.load(READY);
    await rig.control.unload("m", { dependents: false });
    expect(rig.versions()).toEqual([]);
    expect(await rig.control.index()).toEqual([{ name: "m", version: "1", state: "UNAVAILABLE", reason: "unloaded" }]);
  });

  test("the newer of two loads wins, and the older is told", async () => {
    const rig = new Rig();
    const older = rig.control.load("m", NONE, new AbortController().signal);
    const refused = expect(older).rejects.toThrow("Newer operation has been applied");
    await Promise.resolve();
    await Promise.resolve();
    rig.plan = { ...rig.plan, fingerprint: "b" };
    await rig.load(READY);
    await refused;
    expect(rig.versions()).toEqual(["m/1/2"]);
  });

  test("without explicit control, loads and unloads are refused as Triton refuses them", async () => {
    const rig = new Rig("none");
    const text = "explicit model load / unload is not allowed if polling is enabled";
    await expect(rig.control.load("m", NONE, new AbortController().signal)).rejects.toThrow(text);
    await expect(rig.control.unload("m", { dependents: false })).rejects.toThrow(text);
  });

  test.each([
    [" ", "Model name cannot be empty. Please enter a valid name to deploy."],
    ["../m", "invalid model name '../m', model name must not contain path traversal characters"],
  ])("the name %j is refused before anything is read", async (name, text) => {
    await expect(new Rig().control.load(name, NONE, new AbortController().signal)).rejects.toThrow(text);
  });
});
