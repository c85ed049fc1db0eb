/** The whole models on a node: each replica once, a few opening at a time, all gone at the end. */
import { describe, expect, test } from "vitest";
import { HostedModels, MODEL, ONE_INSTANCE } from "./hosted-models.ts";

function withModels(...names: readonly string[]): HostedModels {
  const node = new HostedModels({ openMs: 1_000 });
  for (const name of names) node.put(name, { "1/model.onnx": MODEL, "config.pbtxt": ONE_INSTANCE });
  return node;
}

describe("a node's models", () => {
  test("a command that comes again changes nothing", async () => {
    await using node = withModels("a");
    const replica = node.load("a");
    node.load("a");
    await node.until(() => node.runners.alive.length === 1);
    await node.clock.pass(1_000);
    node.load("a");
    node.models.unload("unknown/1/1");
    expect(node.states()).toEqual([`${replica} ready`]);
    expect(node.runners.runners).toHaveLength(1);
  });

  test("two loads of one version are there side by side", async () => {
    await using node = withModels("a");
    node.load("a", { number: 1 });
    node.load("a", { number: 2 });
    await node.until(() => node.runners.alive.length === 2);
    await node.clock.pass(1_000);
    expect(node.states()).toEqual(["a/1/1 ready", "a/1/2 ready"]);
  });

  test("two open at a time, the others in the order of their commands", async () => {
    await using node = withModels("a", "b", "c");
    for (const name of ["a", "b", "c"]) node.load(name);
    await node.until(() => node.runners.alive.length === 2);
    await node.clock.pass(900);
    expect([node.runners.alive.length, node.states()]).toEqual([2, ["a/1/1 loading", "b/1/1 loading", "c/1/1 loading"]]);
    await node.clock.pass(100);
    await node.until(() => node.runners.alive.length === 3);
    expect(node.states()).toEqual(["a/1/1 ready", "b/1/1 ready", "c/1/1 loading"]);
  });

  test("one that waits for its turn is unloaded at once", async () => {
    await using node = withModels("a", "b", "c");
    const [, , third = ""] = ["a", "b", "c"].map((name) => node.load(name));
    await node.until(() => node.runners.alive.length === 2);
    node.models.unload(third);
    await node.untilStates("a/1/1 loading", "b/1/1 loading");
    await node.clock.pass(2_000);
    expect(node.runners.runners).toHaveLength(2);
  });

  test("every change is told", async () => {
    await using node = withModels("a");
    const seen: string[] = [];
    node.models.onChange(() => seen.push(node.states().join()));
    const replica = node.load("a");
    await node.until(() => node.runners.alive.length === 1);
    await node.clock.pass(1_000);
    node.models.unload(replica);
    await node.untilStates();
    expect(seen.filter((state, index) => state !== seen[index - 1])).toEqual(["a/1/1 loading", "a/1/1 ready", "a/1/1 draining", ""]);
  });

  test("are all gone when the node ends, whatever they were doing", async () => {
    const node = withModels("a", "b", "c");
    const replica = node.load("a");
    await node.until(() => node.runners.alive.length === 1);
    await node.clock.pass(1_000);
    await node.untilStates("a/1/1 ready");
    node.infer(replica, 1);
    for (const name of ["b", "c"]) node.load(name);
    await node[Symbol.asyncDispose]();
    expect(node.runners.alive).toEqual([]);
  });
});
