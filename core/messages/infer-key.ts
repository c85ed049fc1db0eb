/**
 * What makes two requests the same, for the response cache and for those that are refused: all that may change the answer. Triton leaves out shapes, datatypes,
 * parameters and outputs, and serves 64-bit collisions; this key is exact up to a collision of SHA-256. Pure.
 */
import { createHash, type Hash } from "node:crypto";
import type { Tensor } from "../tensor/tensor.ts";
import type { InferSubmit } from "./infer.ts";
import type { ParameterValue } from "./parameter-value.ts";

/** @param scope what runs it: for the cache the hosted version, one for each load of it */
export function inferKey(scope: string, { inputs, outputs, parameters }: Pick<InferSubmit, "inputs" | "outputs" | "parameters">): string {
  const hash = createHash("sha256");
  hash.update(`${inputs.length} `);
  for (const input of inputs) addInput(hash, input);
  addText(hash, JSON.stringify(outputs));
  const sorted = [...parameters].sort(([one], [other]) => (one < other ? -1 : 1));
  addText(hash, JSON.stringify(sorted.map(([name, value]) => [name, typeof value, textOf(value)])));
  return `${scope} ${hash.digest("base64")}`;
}

function addInput(hash: Hash, { name, dtype, shape, data }: Tensor): void {
  addText(hash, JSON.stringify([name, dtype, shape]));
  hash.update(`${data.byteLength} `);
  hash.update(data);
}

/** With its length first, so that no two sequences of texts look alike. */
function addText(hash: Hash, text: string): void {
  hash.update(`${text.length} ${text}`);
}

const textOf = (value: ParameterValue): string => (Object.is(value, -0) ? "-0" : String(value));
