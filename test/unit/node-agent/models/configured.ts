/** Configurations as a load makes them, from a text and a model file. */
import type { ModelConfiguration } from "../../../../core/model/config/configuration.ts";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { readModelConfig } from "../../../../core/repository/model-config.ts";
import type { ModelFiles } from "../../../../core/repository/repository.ts";
import { OnnxModel } from "../../../models/onnx-model.ts";

const encode = (content: string | Uint8Array): Uint8Array => (typeof content === "string" ? new TextEncoder().encode(content) : content);

export function filesOf(files: Readonly<Record<string, string | Uint8Array>>): ModelFiles {
  return memoryModelFiles(new Map(Object.entries(files).map(([name, content]) => [name, encode(content)])));
}

/** OUTPUT = INPUT + BIAS, all of four; BIAS may be left out. */
export const OPTIONAL_BIAS = new OnnxModel()
  .input("INPUT", "f32", [4])
  .input("BIAS", "f32", [4])
  .output("OUTPUT", "f32", [4])
  .constant("BIAS", [4], Float32Array.of(1, 1, 1, 1))
  .node({ op: "Add", inputs: ["INPUT", "BIAS"], outputs: ["OUTPUT"] })
  .finish();

/** Without it only the inputs that a request must give are completed. */
export const WITH_BIAS = `input [ { name: "INPUT" data_type: TYPE_FP32 dims: [4] },
  { name: "BIAS" data_type: TYPE_FP32 dims: [4] optional: true } ]`;

export interface Configured {
  readonly configuration: ModelConfiguration;
  readonly files: ModelFiles;
}

/** Of version 1 of model `m`. @throws Error with the problems where there are any */
export async function configured(
  model: Uint8Array,
  text = "",
  more: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<Configured> {
  const files = filesOf({ "1/model.onnx": model, "config.pbtxt": text, ...more });
  const { draft, versions } = await readModelConfig(files, { model: "m" });
  const finished = versions.get(1);
  if (finished?.configuration === undefined) {
    throw new Error([...draft.problems, ...(finished?.problems ?? [])].map(({ message }) => message).join("\n"));
  }
  return { configuration: finished.configuration, files };
}
