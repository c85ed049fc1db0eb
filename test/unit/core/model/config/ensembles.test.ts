/** Ensembles are judged by the flow of their tensors, and by the models that they are composed of. */
import { describe, expect, test } from "vitest";
import type { EnsembleScheduling, ModelConfiguration } from "../../../../../core/model/config/configuration.ts";
import { circularEnsemble } from "../../../../../core/model/config/ensemble-models.ts";
import { judge, type ModelTensors, modelOf } from "./judge.ts";

const step = (model: string, inputs: Readonly<Record<string, string>>, outputs: Readonly<Record<string, string>>): string => {
  const map = (name: string, entries: Readonly<Record<string, string>>) =>
    Object.entries(entries)
      .map(([key, value]) => `${name} { key: "${key}" value: "${value}" }`)
      .join(" ");
  return `step { model_name: "${model}" model_version: -1 ${map("input_map", inputs)} ${map("output_map", outputs)} }`;
};
const tensors = (what: "input" | "output", names: string): string =>
  names
    .split(" ")
    .filter((name) => name !== "")
    .map((name) => `${what} { name: "${name}" data_type: TYPE_FP32 dims: [ 4 ] }`)
    .join(" ");
const ensemble = (inputs: string, outputs: string, steps: readonly string[], rest = ""): string =>
  `platform: "ensemble" ${tensors("input", inputs)} ${tensors("output", outputs)} ensemble_scheduling { ${steps.join(" ")} } ${rest}`;

const PLAIN = step("a", { IN: "x" }, { OUT: "y" });

const CASES: readonly (readonly [message: string, text: string])[] = [
  [
    "ensemble scheduling cannot be set for model 'm' whose platform is not ensemble",
    `backend: "python" ensemble_scheduling { ${PLAIN} } ${tensors("input", "x")} ${tensors("output", "y")}`,
  ],
  ["instance group should not be specified for ensemble 'm'", ensemble("x", "y", [PLAIN], "instance_group { }")],
  ["optimization should not be specified for ensemble 'm'", ensemble("x", "y", [PLAIN], "optimization { }")],
  ["model_warmup can not be specified for ensemble 'm'", ensemble("x", "y", [PLAIN], "model_warmup { }")],
  ["must specify 'step' for ensemble 'm'", ensemble("x", "y", [])],
  ["must specify 'model_name' in step 0 of ensemble 'm'", ensemble("x", "y", [step("", { IN: "x" }, { OUT: "y" })])],
  ["must specify 'input_map' in step 1 of ensemble 'm'", ensemble("x", "y", [PLAIN, step("b", {}, { OUT: "z" })])],
  ["must specify 'output_map' in step 0 of ensemble 'm'", ensemble("x", "y", [step("a", { IN: "x" }, {})])],
  [
    "ensemble tensor 'y' can appear in an output map only once for ensemble 'm' step 1",
    ensemble("x", "y", [PLAIN, step("b", { IN: "x" }, { OUT: "y" })]),
  ],
  ["ensemble input 'w' for ensemble m' is not used", ensemble("x w", "y", [PLAIN])],
  ["ensemble output 'z' for ensemble m' is not used", ensemble("x", "y z", [PLAIN])],
  [
    "output 'y' for ensemble 'm' is not written: at least one of its depending tensors, 'nowhere', is not connected",
    ensemble("x", "y", [step("a", { IN: "x", MORE: "nowhere" }, { OUT: "z" }), step("b", { IN: "z" }, { OUT: "y" })]),
  ],
  ["ensemble tensor 'extra' is unused in ensemble 'm'", ensemble("x", "y", [step("a", { IN: "x" }, { OUT: "y", MORE: "extra" })])],
];

describe("an ensemble by itself", () => {
  test.each(CASES)("is refused with: %s", (message, text) => {
    expect(judge(text, { files: ["config.pbtxt", "1/.keep"] }).messages[0]).toBe(message);
  });

  test("may chain, branch and join steps; its version folder may be empty", () => {
    const steps = [
      step("a", { IN: "x" }, { L: "l", R: "r" }),
      step("b", { IN: "l" }, { OUT: "m" }),
      step("c", { A: "m", B: "r" }, { OUT: "y" }),
    ];
    const { configuration, draft } = judge(ensemble("x", "y", steps), { files: ["config.pbtxt"] });
    expect(draft.versions.served).toEqual([1]);
    expect(configuration).toMatchObject({
      platform: "ensemble",
      backend: "",
      instanceGroups: [],
      scheduler: { kind: "ensemble", maxInflightRequests: 0 },
    });
    expect(configuration?.scheduler).toMatchObject({ steps: [{ model: "a", version: undefined }, { model: "b" }, { model: "c" }] });
  });

  test("may not wait for itself", () => {
    const steps = [step("a", { IN: "x", BACK: "b" }, { OUT: "y" }), step("c", { IN: "y" }, { OUT: "b" })];
    expect(judge(ensemble("x", "y", steps)).messages[0]).toMatch(/^output 'y' for ensemble 'm' is not written: .*'b', is not connected$/);
  });
});

function composed(text: string, ...models: readonly (readonly [name: string, tensors: ModelTensors])[]) {
  return judge(text, {
    files: ["config.pbtxt"],
    composing: new Map<string, ModelConfiguration>(models.map(([name, own]) => [name, modelOf(name, own)])),
  });
}

describe("an ensemble and its composing models", () => {
  const fits: ModelTensors = { inputs: ["IN FP32 4"], outputs: ["OUT FP32 4"] };

  test("fit when names, datatypes and shapes do; sizes that vary fit any", () => {
    expect(composed(ensemble("x", "y", [PLAIN]), ["a", { inputs: ["IN FP32 -1"], outputs: ["OUT FP32 4"] }]).messages).toEqual([]);
  });

  test.each<readonly [message: string, text: string, model: ModelTensors]>([
    [
      "in ensemble m, ensemble tensor x is mapping to non-existing input IN in model a",
      ensemble("x", "y", [PLAIN]),
      { ...fits, inputs: [] },
    ],
    [
      "in ensemble m, ensemble tensor y is mapped from non-existing output OUT in model a",
      ensemble("x", "y", [PLAIN]),
      { ...fits, outputs: [] },
    ],
    [
      "in ensemble m, input MORE in model a is not mapped to any ensemble tensors",
      ensemble("x", "y", [PLAIN]),
      { ...fits, inputs: ["IN FP32 4", "MORE FP32 4"] },
    ],
    [
      "in ensemble m, ensemble tensor x: inconsistent data type: TYPE_FP32 is inferred from model m while TYPE_INT32 is inferred from model a",
      ensemble("x", "y", [PLAIN]),
      { ...fits, inputs: ["IN INT32 4"] },
    ],
    [
      "in ensemble m, ensemble tensor y: inconsistent shape: [4] is inferred from model m while [5] is inferred from model a",
      ensemble("x", "y", [PLAIN]),
      { ...fits, outputs: ["OUT FP32 5"] },
    ],
    [
      "ensemble m allows maximum batch size 8, but it contains model a which only allows maximum batch size to be 4",
      ensemble("x", "y", [PLAIN], "max_batch_size: 8"),
      { ...fits, maxBatchSize: 4 },
    ],
  ])("do not fit: %s", (message, text, model) => {
    expect(composed(text, ["a", model]).messages).toContain(message);
  });

  test("are told apart from models that are not there", () => {
    const text = ensemble("x", "y", [step("b", { IN: "x" }, { OUT: "z" }), step("a", { IN: "z" }, { OUT: "y" })]);
    expect(composed(text).messages).toEqual(["ensemble m contains models that are not available or ambiguous: a, b"]);
  });

  test("may mix batching and not: a first size of 1 is put before or taken away", () => {
    const text = ensemble("x", "y", [PLAIN], "max_batch_size: 8");
    expect(composed(text, ["a", { inputs: ["IN FP32 -1,4"], outputs: ["OUT FP32 -1,4"] }]).messages).toEqual([]);
  });

  test("make it decoupled when one of them is, and no step may read two streams", () => {
    const split: ModelTensors = { ...fits, decoupled: true };
    expect(
      composed(ensemble("x", "y", [PLAIN], "model_transaction_policy { decoupled: false }"), ["a", split]).configuration?.decoupled,
    ).toBe(true);
    const join = ensemble("x", "y", [
      step("a", { IN: "x" }, { OUT: "p" }),
      step("b", { IN: "x" }, { OUT: "q" }),
      step("c", { P: "p", Q: "q" }, { OUT: "y" }),
    ]);
    const two: ModelTensors = { inputs: ["P FP32 4", "Q FP32 4"], outputs: ["OUT FP32 4"] };
    expect(composed(join, ["a", split], ["b", split], ["c", two]).messages).toEqual([
      "in ensemble m, step of model 'c' receives inputs originated from different decoupled models",
    ]);
    expect(composed(join, ["a", fits], ["b", fits], ["c", two]).configuration?.decoupled).toBe(false);
  });

  test("make it decoupled when one of them is a language model that is handed a stream, and else not", () => {
    const { configuration } = judge("", { files: ["1/model.gguf"] });
    if (configuration === undefined) throw new Error("a language model needs no configuration");
    const decoupled = (takes: Readonly<Record<string, string>>) => {
      const ports = Object.values(takes).map((name) => `input { name: "${name}" data_type: TYPE_${name} dims: [ 1 ] }`);
      const text = `platform: "ensemble" ${ports.join(" ")} ${'output { name: "y" data_type: TYPE_STRING dims: [ 1 ] }'} ensemble_scheduling { ${step("a", takes, { text_output: "y" })} }`;
      const composing = new Map([["a", configuration]]);
      const { messages, configuration: ensembleOf } = judge(text, { files: ["config.pbtxt"], composing });
      expect(messages).toEqual([]);
      return ensembleOf?.decoupled;
    };
    expect(decoupled({ text_input: "STRING" })).toBe(false);
    expect(decoupled({ text_input: "STRING", max_tokens: "INT32", stream: "BOOL" })).toBe(true);
  });

  test("may not lead back to the ensemble", () => {
    const leads = (...models: readonly string[]): EnsembleScheduling => ({
      kind: "ensemble",
      maxInflightRequests: 0,
      steps: models.map((model) => ({ model, version: undefined, inputs: new Map(), outputs: new Map() })),
    });
    const ensembles = new Map([
      ["a", leads("plain", "b")],
      ["b", leads("c")],
      ["c", leads("a")],
    ]);
    expect(circularEnsemble("a", ensembles)?.message).toBe("circular dependency between ensembles: a -> ... -> c -> a");
    expect(
      circularEnsemble(
        "a",
        new Map([
          ["a", leads("b", "b")],
          ["b", leads("plain")],
        ]),
      ),
    ).toBeUndefined();
  });
});
