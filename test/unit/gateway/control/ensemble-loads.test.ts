/** Ensembles are loaded with their models, follow them, and let them go. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { nodeId } from "../../../../core/ids.ts";
import type { ModelReport } from "../../../../core/messages/heartbeat.ts";
import { seededRandom } from "../../../../core/random.ts";
import { MemoryPlacementStore } from "../../../../core/store/placement/memory.ts";
import type { WantedModels } from "../../../../core/store/placement/wanted-models.ts";
import type { ModelOnNode } from "../../../../gateway/control/fleet.ts";
import { ClusterModelControl } from "../../../../gateway/control/model-control.ts";
import type { FolderPlan } from "../../../../gateway/control/model-folders.ts";
import { WantedWatch } from "../../../../gateway/control/wanted-watch.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { LogBook } from "../../node-agent/hosting-rig.ts";

const NONE = { files: new Map<string, Uint8Array>() };
const NEVER = new AbortController().signal;
const READY: ModelReport["state"] = { kind: "ready", view: "v" };

/** A repository whose models the test makes, two gateways, and a fleet that opens what is wanted unless the test says what is wrong. */
class Rig {
  readonly plans = new Map<string, FolderPlan>();
  /** By model, why its next opening fails. */
  readonly broken = new Map<string, string>();
  /** Models of which the store takes nothing. */
  readonly unwritable = new Set<string>();
  readonly clock = new FakeClock();
  readonly store = new MemoryPlacementStore({ clock: this.clock, random: seededRandom(1n) });
  readonly log = new LogBook();
  readonly #states = new Map<string, ModelReport["state"]>();
  readonly control: ClusterModelControl;
  readonly other: ClusterModelControl;

  constructor() {
    this.control = this.#gateway();
    this.other = this.#gateway();
  }

  put(model: string, fields: Partial<FolderPlan> = {}): void {
    this.plans.set(model, { versions: ["1"], source: "", config: "", fingerprint: model, copies: 1, bytes: 0, ...fields });
  }

  ensemble(model: string, ...members: readonly (readonly [model: string, version?: number])[]): void {
    this.put(model, { calls: members.map(([member, version]) => ({ model: member, version })) });
  }

  #gateway(): ClusterModelControl {
    const { clock, log, plans } = this;
    const plan = async (model: string) => {
      const found = plans.get(model);
      if (found === undefined) throw new ServingError("NOT_FOUND", `there is no model '${model}' in the repository`);
      return found;
    };
    const store: WantedModels = {
      ...this.store.wantedModels,
      change: async (model, expected, wanted) => {
        if (this.unwritable.has(model)) throw new ServingError("UNAVAILABLE", "the store is away");
        return await this.store.wantedModels.change(model, expected, wanted);
      },
    };
    return new ClusterModelControl({
      folders: { ambiguous: async () => [], names: async () => [...plans.keys()], plan },
      watch: new WantedWatch({ store, clock, logger: log.logger }),
      hosted: { models: () => this.#hosted(), shards: () => [], replicas: () => [] },
      logger: log.logger,
      mode: "explicit",
    });
  }

  /** Lets everything happen: what is wanted is opened, what is not is gone. */
  async settle(): Promise<void> {
    for (let round = 0; round < 12; round++) {
      await this.clock.pass(300);
      const wanted = this.control.desired().models;
      for (const replica of this.#states.keys()) if (!wanted.some((one) => one.replica === replica)) this.#states.delete(replica);
      for (const { replica, model } of wanted) {
        const reason = this.broken.get(model);
        if (!this.#states.has(replica)) this.#states.set(replica, reason === undefined ? READY : { kind: "failed", reason });
      }
      this.control.fleetChanged();
      this.other.fleetChanged();
    }
  }

  /** @returns what went wrong; undefined: nothing */
  async load(model: string, control = this.control): Promise<string | undefined> {
    const outcome = control.load(model, NONE, NEVER).then(
      () => undefined,
      (thrown: unknown) => ServingError.from(thrown).message,
    );
    await this.settle();
    return await outcome;
  }

  async unload(model: string, dependents = false): Promise<void> {
    const unloading = this.control.unload(model, { dependents });
    await this.settle();
    await unloading;
  }

  replicas(): readonly string[] {
    return this.control
      .desired()
      .models.map(({ replica }) => replica)
      .sort();
  }

  async states(control = this.control): Promise<Readonly<Record<string, string>>> {
    const rows = await control.index();
    return Object.fromEntries(rows.map(({ name, state = "", reason }) => [name, reason === undefined ? state : `${state}: ${reason}`]));
  }

  #hosted(): readonly ModelOnNode[] {
    return [...this.#states].map(([replica, state]) => {
      const [model = "", version = ""] = replica.split("/");
      return { replica, model, version, state, inFlight: 0, queued: 0, node: nodeId("n"), incarnation: "i", link: "l", leaving: false };
    });
  }
}

function rig(): Rig {
  const made = new Rig();
  made.put("a");
  made.put("b", { versions: ["1", "2"] });
  made.ensemble("e", ["a"], ["b", 2]);
  return made;
}

describe("loading an ensemble", () => {
  test("loads its models first, and says how they are loaded to the node that opens it", async () => {
    const made = rig();
    made.put("a", { config: "{}" });
    expect(await made.load("e")).toBeUndefined();
    expect(made.replicas()).toEqual(["a/1/1", "b/1/1", "b/2/1", "e/1/1"]);
    expect(made.control.desired().models.find(({ model }) => model === "e")?.members).toEqual([
      { model: "a", source: "", config: "{}" },
      { model: "b", source: "", config: "" },
    ]);
  });

  test("leaves models alone that are loaded already", async () => {
    const made = rig();
    await made.load("a", made.other);
    await made.load("e");
    expect(made.replicas()).toContain("a/1/1");
    expect(await made.load("e")).toBeUndefined();
    expect(made.replicas()).toContain("e/1/1");
  });

  test("loads ensembles in it with their models", async () => {
    const made = rig();
    made.ensemble("outer", ["e"], ["a"]);
    await made.load("outer");
    expect(made.replicas()).toEqual(["a/1/1", "b/1/1", "b/2/1", "e/1/1", "outer/1/1"]);
    expect(
      made.control
        .desired()
        .models.find(({ model }) => model === "outer")
        ?.members?.map(({ model }) => model),
    ).toEqual(["e", "a", "b"]);
  });

  test("fails when a model is not in the repository, fails itself, or lacks the version, and says which", async () => {
    const made = rig();
    made.ensemble("lacks", ["a"], ["nobody"], ["anybody"]);
    expect(await made.load("lacks")).toBe(
      "load failed for model 'lacks': version 1 is at UNAVAILABLE state: ensemble lacks contains models that are not available or ambiguous: anybody, nobody;\n",
    );
    made.put("broken");
    made.broken.set("broken", "no such operator");
    made.ensemble("fails", ["broken"]);
    expect(await made.load("fails")).toBe(
      "load failed for model 'fails': version 1 is at UNAVAILABLE state: ensemble 'fails' depends on 'broken' which has no loaded version. " +
        "Model 'broken' loading failed with error: version 1 is at UNAVAILABLE state: no such operator;;\n",
    );
    made.ensemble("pins", ["a", 7]);
    expect(await made.load("pins")).toContain("ensemble 'pins' depends on 'a' whose required version 7 is not loaded");
    expect((await made.states())["lacks"]).toContain("UNAVAILABLE: ensemble lacks contains models");
  });

  test("is refused when ensembles lead in a circle", async () => {
    const made = rig();
    made.ensemble("x", ["y"]);
    made.ensemble("y", ["z"]);
    made.ensemble("z", ["x"]);
    expect(await made.load("x")).toContain("circular dependency between ensembles: x -> ... -> z -> x");
    made.ensemble("self", ["self"]);
    expect(await made.load("self")).toContain("circular dependency between ensembles: self -> ... -> self -> self");
    expect(made.replicas()).toEqual([]);
  });
});

describe("an ensemble whose models change", () => {
  test("is loaded anew when one of them is, by whichever gateway", async () => {
    const made = rig();
    await made.load("e");
    made.put("a", { fingerprint: "mended" });
    await made.load("a", made.other);
    expect(made.replicas()).toEqual(["a/1/3", "b/1/1", "b/2/1", "e/1/3"]);
    expect(await made.states()).toEqual({ a: "READY", b: "READY", e: "READY" });
  });

  test("stays, and is loaded anew later, when the store cannot be told at first", async () => {
    const made = rig();
    await made.load("e");
    made.put("a", { fingerprint: "mended" });
    made.unwritable.add("e");
    expect(await made.load("a", made.other)).toBeUndefined();
    expect(made.replicas()).toEqual(["a/1/3", "b/1/1", "b/2/1", "e/1/1"]);
    made.unwritable.clear();
    await made.settle();
    expect(made.replicas()).toEqual(["a/1/3", "b/1/1", "b/2/1", "e/1/3"]);
  });

  test("goes, with the reason, when it does not fit any more, and can still be unloaded", async () => {
    const made = rig();
    await made.load("e");
    made.put("a", { fingerprint: "other" });
    made.broken.set("e", "in ensemble e, ensemble tensor X is mapping to non-existing input IN in model a");
    expect(await made.load("a")).toBeUndefined();
    expect((await made.states(made.other))["e"]).toContain("non-existing input IN in model a");
    expect(made.replicas().some((replica) => replica.startsWith("e/"))).toBe(false);
    await made.unload("e");
    expect((await made.states(made.other))["e"]).toBe("UNAVAILABLE: unloaded");
  });

  test("is not there while one of them is not, and comes back with it", async () => {
    const made = rig();
    await made.load("e");
    await made.unload("a");
    expect(made.replicas()).toEqual(["b/1/1", "b/2/1"]);
    expect((await made.states())["e"]).toBe("UNAVAILABLE: ensemble e contains models that are not available or ambiguous: a");
    await made.load("a");
    expect((await made.states())["e"]).toBe("READY");
  });
});

describe("unloading an ensemble with its dependents", () => {
  test("unloads the models that it brought along, and theirs", async () => {
    const made = rig();
    made.ensemble("outer", ["e"]);
    await made.load("outer");
    await made.unload("outer", true);
    expect(made.replicas()).toEqual([]);
    expect((await made.states())["a"]).toBe("UNAVAILABLE: unloaded");
  });

  test("leaves those that somebody loaded by name, before or after, and those that others need", async () => {
    const made = rig();
    made.put("c");
    made.ensemble("e", ["a"], ["b"], ["c"]);
    made.ensemble("f", ["c"]);
    await made.load("a");
    await made.load("e");
    await made.load("b");
    await made.load("f");
    await made.unload("e", true);
    expect(made.replicas().map((replica) => replica.split("/")[0])).toEqual(["a", "b", "b", "c", "f"]);
  });

  test("without that leaves all of them", async () => {
    const made = rig();
    await made.load("e");
    await made.unload("e");
    expect(made.replicas()).toEqual(["a/1/1", "b/1/1", "b/2/1"]);
  });
});
