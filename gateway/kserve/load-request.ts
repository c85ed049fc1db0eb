/** The body of a load: a configuration and files that take the place of the repository's. Pure. */
import type { LoadOverrides } from "../serving/model-catalog.ts";
import { asObject, asText, memberOf } from "./json/json-members.ts";
import { scanJson } from "./json/json-scanner.ts";
import { bytesAsText, type JsonValue } from "./json/json-value.ts";
import { internal } from "./triton-error.ts";

const FILE_PREFIX = "file:";

/**
 * @param bytes may be empty: no overrides
 * @throws ServingError INTERNAL for malformed JSON, wrong types and parameters that there are not
 */
export function parseLoadRequest(bytes: Uint8Array): LoadOverrides {
  const parameters = bytes.byteLength === 0 ? undefined : memberOf(scanJson(bytesAsText(bytes)), "parameters");
  const files = new Map<string, Uint8Array>();
  if (parameters === undefined) return { files };
  let config: string | undefined;
  for (const [name, value] of members(parameters)) {
    const text = asText(value, undefined);
    if (name === "config") config = text;
    else if (name.startsWith(FILE_PREFIX)) files.set(name.slice(FILE_PREFIX.length), new Uint8Array(Buffer.from(text, "base64")));
    else throw internal("unexpected error on creating Triton parameter");
  }
  return { ...(config !== undefined && { config }), files };
}

function members(json: JsonValue): readonly (readonly [name: string, value: JsonValue])[] {
  const { names, values } = asObject(json, undefined);
  return names.map((name, index) => [name, values[index] ?? null]);
}
