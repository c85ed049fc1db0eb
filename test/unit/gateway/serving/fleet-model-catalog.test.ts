/** What clients are told of models: which are there, which are ready, and why not, in Triton's words. */
import { describe, expect, test } from "vitest";
import { nodeId } from "../../../../core/ids.ts";
import { FleetModelCatalog } from "../../../../gateway/serving/fleet-model-catalog.ts";
import { modelRig, published, spec } from "./model-rig.ts";

const HOSTED = {
  replica: "a/1/1",
  model: "a",
  version: "1",
  state: { kind: "ready", view: "v" },
  inFlight: 0,
  queued: 0,
  node: nodeId("n"),
  incarnation: "i",
  link: "l",
  leaving: false,
} as const;
const LANGUAGE = { name: "l", version: "1", contextLength: 9, quantization: "native", createdSeconds: 0, shards: [] } as const;

describe("the catalog", () => {
  test("gives a version, or the highest one by number, with all that are ready", async () => {
    await using rig = await modelRig(2);
    for (const [node, version] of [
      [0, "9"],
      [1, "10"],
      [0, "2"],
    ] as const)
      rig.host(node, published("m", version));
    await rig.beat();
    expect(rig.catalog.view("m", undefined)).toMatchObject({ version: "10", versions: ["2", "9", "10"] });
    expect(rig.catalog.view("m", 2)).toMatchObject({ version: "2", versions: ["2", "9", "10"] });
    expect([rig.catalog.isReady("m", 9), rig.catalog.isReady("m", 3), rig.catalog.isReady("x", undefined)]).toEqual([true, false, false]);
  });

  test("names each version once, however many nodes host it", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("m"));
    await rig.beat();
    expect(rig.catalog.view("m", undefined).versions).toEqual(["1"]);
  });

  test("gives an ensemble's outputs the labels of the models that make them, through ensembles in it, unless it has its own", async () => {
    await using rig = await modelRig();
    const from = (name: string, model: string, output: string, labels: readonly string[] = []) =>
      spec(name, { labels, source: { model, version: undefined, output } });
    rig.host(0, published("classifier", "1", { outputs: [spec("SCORES", { labels: ["old"] })] }));
    rig.host(0, published("classifier", "2", { outputs: [spec("SCORES", { labels: ["cat", "dog"] })] }));
    rig.host(0, published("inner", "1", { outputs: [from("Y", "classifier", "SCORES")] }));
    rig.host(0, published("outer", "1", { outputs: [from("Z", "inner", "Y"), from("OWN", "inner", "Y", ["a", "b"])] }));
    rig.host(0, published("round", "1", { outputs: [from("R", "round", "R")] }));
    await rig.beat();
    expect(rig.catalog.view("outer", undefined).outputs.map(({ labels }) => labels)).toEqual([
      ["cat", "dog"],
      ["a", "b"],
    ]);
    expect(rig.catalog.view("round", undefined).outputs).toMatchObject([{ labels: [] }]);
  });

  test("a gateway that is starting says that it may not know a model yet, so that clients ask again", () => {
    let starting = true;
    const catalog = new FleetModelCatalog({
      starting: () => starting,
      views: { served: () => [] },
      directory: { list: () => [] },
      wanted: () => [],
      known: () => [],
    });
    const asked = () => catalog.view("m", undefined);
    expect(asked).toThrow(expect.objectContaining({ code: "UNAVAILABLE", reason: "starting" }));
    starting = false;
    expect(asked).toThrow(expect.objectContaining({ code: "NOT_FOUND", reason: "model_not_found" }));
  });

  test.each([
    ["nobody", undefined, "NOT_FOUND", "Request for unknown model: 'nobody' is not found"],
    ["nobody", 1, "NOT_FOUND", "Request for unknown model: 'nobody' is not found"],
    ["m", 7, "NOT_FOUND", "Request for unknown model: 'm' version 7 is not found"],
    ["gone", undefined, "NOT_FOUND", "Request for unknown model: 'gone' has no available versions"],
    ["gone", 1, "UNAVAILABLE", "Request for unknown model: 'gone' version 1 is not at ready state"],
    ["gone", 2, "NOT_FOUND", "Request for unknown model: 'gone' version 2 is not found"],
  ])("refuses model %s, version %s, in Triton's words", async (name, version, code, message) => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.known.push({ model: "gone", version: "1" });
    await rig.beat();
    expect(() => rig.catalog.view(name, version)).toThrow(expect.objectContaining({ code, message }));
  });

  test.each([
    ["nothing is wanted", [], [], true],
    ["all that is wanted is ready", ["a"], ["ready"], true],
    ["something that is wanted is not there", ["a", "b"], ["ready"], false],
    ["a language model is loading", ["a"], ["ready", "loading"], false],
  ] as const)("says whether all is ready: %s", (_, wanted, readiness, expected) => {
    const catalog = new FleetModelCatalog({
      views: { served: () => [{ hosted: HOSTED, model: published("a") }] },
      directory: { list: () => readiness.map((kind) => ({ ...LANGUAGE, readiness: kind === "ready" ? { kind } : { kind, detail: "" } })) },
      wanted: () => wanted.map((model) => ({ model, version: "1" })),
      known: () => [],
    });
    expect(catalog.allReady()).toBe(expected);
  });

  test("is ready without what is wanted where readiness is not strict, but not without serving", () => {
    let isServing = true;
    const catalog = new FleetModelCatalog({
      serving: () => isServing,
      strictReadiness: false,
      views: { served: () => [] },
      directory: { list: () => [{ ...LANGUAGE, readiness: { kind: "failed", reason: "" } }] },
      wanted: () => [{ model: "a", version: "1" }],
      known: () => [],
    });
    expect(catalog.allReady()).toBe(true);
    isServing = false;
    expect(catalog.allReady()).toBe(false);
  });
});
