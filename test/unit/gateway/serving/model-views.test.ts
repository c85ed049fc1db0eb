/** A gateway serves what it has a view of: fetched once, from a node that has it, and kept as long as somebody serves it. */
import { describe, expect, test } from "vitest";
import { inferOf, modelRig, NEVER, published } from "./model-rig.ts";

describe("views of models", () => {
  test("are fetched once for all nodes and heartbeats that name the same", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"), { replica: "m/1/1" });
    rig.host(1, published("m"), { replica: "m/1/2" });
    for (let beats = 0; beats < 3; beats++) await rig.beat();
    expect(rig.agent(0).viewsSent + rig.agent(1).viewsSent).toBe(1);
  });

  test("what is ready on its node is loading for others until its view is here", async () => {
    await using rig = await modelRig();
    const changes: string[] = [];
    rig.onChange(() =>
      changes.push(
        rig
          .hosted()
          .map(({ state }) => state.kind)
          .join(),
      ),
    );
    rig.host(0, published("m"));
    const view = [...rig.agent(0).views.entries()];
    rig.agent(0).views.clear(); // the node refuses to give it
    await rig.beat();
    expect(rig.hosted().map(({ state }) => state.kind)).toEqual(["loading"]);
    expect(rig.catalog.isReady("m", undefined)).toBe(false);
    for (const [digest, bytes] of view) rig.agent(0).views.set(digest, bytes);
    await rig.beat();
    expect(changes).toEqual(["ready"]);
    expect(rig.catalog.isReady("m", undefined)).toBe(true);
  });

  test("states other than ready are told as they are", async () => {
    await using rig = await modelRig();
    rig.host(0, published("a"), { state: { kind: "failed", reason: "broken" } });
    rig.host(0, published("b"), { state: { kind: "draining" } });
    await rig.beat();
    expect(rig.hosted().map(({ state }) => state.kind)).toEqual(["failed", "draining"]);
    expect([rig.catalog.isReady("a", undefined), rig.catalog.isReady("b", undefined)]).toEqual([false, false]);
    expect(rig.agent(0).viewsSent).toBe(0);
  });

  test("a node that gives another view than it promised is not served from", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    for (const digest of rig.agent(0).views.keys()) rig.agent(0).views.set(digest, new TextEncoder().encode("{}"));
    await rig.beat();
    expect(rig.catalog.isReady("m", undefined)).toBe(false);
  });

  test("what is to be unloaded is not served any more, though its node has not said so yet", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    await rig.beat();
    rig.unwanted.add("m/1/1");
    rig.refresh();
    expect(rig.catalog.isReady("m", undefined)).toBe(false);
    await expect(rig.inference.infer(inferOf("m"), NEVER)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(rig.agent(0).inferences).toEqual([]);
  });

  test("a reload with another configuration shows the old one until it takes over", async () => {
    await using rig = await modelRig(2);
    rig.host(0, published("m"), { replica: "m/1/1" });
    rig.host(1, published("m", "1", { maxBatchSize: 99, configJson: "{}" }), { replica: "m/1/2" });
    await rig.beat();
    expect(rig.catalog.view("m", undefined).maxBatchSize).toBe(4);
    rig.unwanted.add("m/1/1");
    rig.refresh();
    expect(rig.catalog.view("m", undefined).maxBatchSize).toBe(99);
  });

  test("an ensemble serves while all that it calls does, ensembles in it among them", async () => {
    await using rig = await modelRig(2);
    const calling = (...members: readonly (readonly [model: string, version?: number])[]) => ({
      members: members.map(([model, version]) => ({ model, version })),
    });
    rig.host(0, published("outer", "1", calling(["inner"])));
    rig.host(0, published("inner", "1", calling(["m", 2])));
    rig.host(0, published("other", "1", calling(["m"])));
    rig.host(1, published("m", "1"));
    await rig.beat();
    const ready = () => ["outer", "inner", "other", "m"].filter((model) => rig.catalog.isReady(model, undefined));
    expect(ready()).toEqual(["other", "m"]);
    await expect(rig.inference.infer(inferOf("outer"), NEVER)).rejects.toMatchObject({ code: "NOT_FOUND" });
    rig.host(1, published("m", "2"));
    await rig.beat();
    expect(ready()).toEqual(["outer", "inner", "other", "m"]);
    for (const version of ["1", "2"]) rig.unwanted.add(`m/${version}/1`);
    rig.refresh();
    expect(ready()).toEqual([]);
  });
});
