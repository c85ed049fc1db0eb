/** A model's configuration from its JSON. Pure. */
import { jsonCount, jsonObject, jsonText } from "../core/model/json-value.ts";
import type { ModelConfig, ModelIndexEntry } from "./answers.ts";
import { unreadable } from "./client-error.ts";

/** @throws ClientError INTERNAL for what is no configuration */
export function readModelConfig(json: unknown): ModelConfig {
  const name = jsonText(json, "name");
  if (name === undefined) throw unreadable("a configuration without a model's name");
  return {
    ...jsonObject({ json }, "json"),
    name,
    platform: jsonText(json, "platform") ?? "",
    backend: jsonText(json, "backend") ?? "",
    max_batch_size: jsonCount(json, "max_batch_size") ?? 0,
  };
}

/** What an empty text stands for is left out. */
export function indexEntry(name: string, version = "", state = "", reason = ""): ModelIndexEntry {
  return { name, ...(version !== "" && { version }), ...(state !== "" && { state }), ...(reason !== "" && { reason }) };
}
