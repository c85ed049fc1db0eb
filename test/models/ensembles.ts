/** Configurations of ensembles for tests, and small models to compose them of. */
import { OnnxModel } from "./onnx-model.ts";

const map = (kind: string, entries: Readonly<Record<string, string>>) =>
  Object.entries(entries)
    .map(([key, value]) => `${kind} { key: "${key}" value: "${value}" }`)
    .join(" ");

/** @param takes from the model's inputs to the ensemble's tensors; @param gives from its outputs */
export const step = (
  model: string,
  takes: Readonly<Record<string, string>>,
  gives: Readonly<Record<string, string>>,
  version = -1,
): string => `step { model_name: "${model}" model_version: ${version} ${map("input_map", takes)} ${map("output_map", gives)} }`;

export const port = (kind: "input" | "output", name: string, dims: string, type = "TYPE_FP32", more = ""): string =>
  `${kind} { name: "${name}" data_type: ${type} dims: [${dims}] ${more} }`;

/** The files of an ensemble. */
export const ensemble = (ports: readonly string[], steps: readonly string[], more = "max_batch_size: 8") => ({
  "config.pbtxt": `platform: "ensemble" ${more} ${ports.join(" ")} ensemble_scheduling { ${steps.join(" ")} }`,
});

/** PIXELS u8 [4, 4, 3], without a batch dimension, to FEATURES [48]: scaled and flattened. */
export function preprocessor(): Uint8Array {
  return new OnnxModel()
    .input("PIXELS", "u8", [4, 4, 3])
    .output("FEATURES", "f32", [48])
    .constant("SCALE", [1], Float32Array.of(1 / 255))
    .constant("FLAT", [1], BigInt64Array.of(48n))
    .node({ op: "Cast", inputs: ["PIXELS"], outputs: ["F"], attributes: { to: 1 } })
    .node({ op: "Mul", inputs: ["F", "SCALE"], outputs: ["S"] })
    .node({ op: "Reshape", inputs: ["S", "FLAT"], outputs: ["FEATURES"] })
    .finish();
}

/** OUT = IN · factor, [batch, length]. */
export function times(factor: number): Uint8Array {
  return new OnnxModel()
    .input("IN", "f32", ["batch", "length"])
    .output("OUT", "f32", ["batch", "length"])
    .constant("FACTOR", [1], Float32Array.of(factor))
    .node({ op: "Mul", inputs: ["IN", "FACTOR"], outputs: ["OUT"] })
    .finish();
}

/** An ensemble around a language model: its prompt goes through a model of tensors first, its text through the same one after. */
export function talk(language: string, around: string, { streams }: { readonly streams: boolean }) {
  const given = { max_tokens: "TOKENS", temperature: "TEMPERATURE", ...(streams && { stream: "STREAM" }) };
  return ensemble(
    [
      port("input", "PROMPT", "1", "TYPE_STRING"),
      port("input", "TOKENS", "1", "TYPE_INT32"),
      port("input", "TEMPERATURE", "1"),
      ...(streams ? [port("input", "STREAM", "1", "TYPE_BOOL")] : []),
      port("output", "TEXT", "1", "TYPE_STRING"),
    ],
    [
      step(around, { INPUT0: "PROMPT" }, { OUTPUT0: "prompt" }),
      step(language, { text_input: "prompt", ...given }, { text_output: "text" }),
      step(around, { INPUT0: "text" }, { OUTPUT0: "TEXT" }),
    ],
    "",
  );
}
