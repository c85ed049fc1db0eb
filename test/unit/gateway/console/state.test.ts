/** What the console shows of a cluster. */
import { expect, test } from "vitest";
import { readConsolePage } from "../../../../gateway/console/page.ts";
import { consoleState } from "../../../../gateway/console/state.ts";
import { servedModel } from "../../../support/scripted-text.ts";

test("a model's parts are in the order of its layers, and why it is not ready is said", () => {
  const loading = { ...servedModel("a"), readiness: { kind: "loading", detail: "cutting 40%" } } as const;
  const failed = { ...servedModel("b"), contextLength: undefined, readiness: { kind: "failed", reason: "no such file" } } as const;
  const { models } = consoleState({ name: "nereid", version: "1" }, [loading, failed], []);
  expect(models).toMatchObject([
    { name: "a", state: "loading", detail: "cutting 40%", shards: [{ stage: 0, node: "node-a" }, { stage: 1 }] },
    { name: "b", state: "failed", detail: "no such file", contextLength: null },
  ]);
});

test("of a node no more is shown than its name, state, processor, memory, labels and models", () => {
  const models = [{ model: "m", version: "1", state: { kind: "ready", view: "v" }, inFlight: 0 }];
  const node = {
    node: "n",
    cpu: "x",
    memoryTotalBytes: 2,
    memoryFreeBytes: 1,
    leaving: false,
    labels: { zone: "a" },
    link: "tcp://10.0.0.1:1",
    shards: [],
    models,
  };
  const { nodes } = consoleState({ name: "nereid", version: "1" }, [], [node]);
  const shown = { node: "n", state: "serving", cpu: "x", memoryTotalBytes: 2, memoryFreeBytes: 1, labels: { zone: "a" } };
  expect(nodes).toEqual([{ ...shown, models: [{ model: "m", version: "1", state: "ready" }] }]);
});

test("the page's script parses", () => {
  const script = /<script type="module">([\s\S]*?)<\/script>/.exec(readConsolePage().html)?.[1] ?? "";
  const asyncFunction = async () => undefined;
  expect(() => Reflect.construct(asyncFunction.constructor, [script])).not.toThrow();
  expect(script.length).toBeGreaterThan(1_000);
});
