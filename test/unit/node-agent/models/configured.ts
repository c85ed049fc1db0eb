/** Configurations as a load makes them, from a text and a model file. */
import type { ModelConfiguration } from "../../../../core/model/config/configuration.ts";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import { readModelConfig } from "../../../../core/repository/model-config.ts";
import type { ModelFiles } from "../../../../core/repository/repository.ts";

const encode = (content: string | Uint8Array): Uint8Array => (typeof content === "string" ? new TextEncoder().encode(content) : content);

export function filesOf(files: Readonly<Record<string, string | Uint8Array>>): ModelFiles {
  return memoryModelFiles(new Map(Object.entries(files).map(([name, content]) => [name, encode(content)])));
}

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
