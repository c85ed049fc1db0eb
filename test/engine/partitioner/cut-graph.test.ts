/** Cut graphs on ONNX Runtime against a plain forward pass, and stages against the whole. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Quantization } from "../../../core/model/shard-description.ts";
import { seededRandom } from "../../../core/random.ts";
import type { ModelFiles } from "../../../core/repository/repository.ts";
import { cutShard } from "../../../partitioner/cutting/cut-shard.ts";
import { readShardFolder } from "../../../partitioner/cutting/shard-folder.ts";
import type { TensorType } from "../../../partitioner/quantize/tensor-type.ts";
import { verifyPartition } from "../../../partitioner/verify.ts";
import { ggufLlama, huggingFaceFiles, randomWeights, THETA, TINY, type TinyShape } from "../../unit/partitioner/tiny-llama.ts";
import { openShard } from "./open-shard.ts";
import { type ReferenceModel, referenceLogits } from "./reference-forward.ts";

let root = "";
let folders = 0;
const random = seededRandom(9n);
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "nereid-cut-graph-"));
});
afterAll(() => rm(root, { recursive: true }));

async function cutAll(files: ModelFiles, stages: number, quantization: Quantization): Promise<readonly string[]> {
  const cut: string[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const outFolder = path.join(root, String(folders++));
    const options = { random, signal: new AbortController().signal, onProgress: () => {} };
    await cutShard({ files, versionFolder: "1", stage, stages, quantization, outFolder, ...options });
    cut.push(outFolder);
  }
  return cut;
}

const IDS = Array.from({ length: 24 }, () => Math.floor(random.next() * TINY.vocabSize));

/** Logits of all positions: a prompt of 16 in one run, then one token at a time. */
async function logitsOf(folder: string, ids: readonly number[]): Promise<Float32Array> {
  const description = await readShardFolder(folder);
  if (description === undefined) throw new Error(`no shard in ${folder}`);
  using shard = await openShard(folder, description, 32);
  const logits = new Float32Array(ids.length * description.vocabSize);
  for (let past = 0; past < ids.length; past += past === 0 ? 16 : 1) {
    const tokens = ids.slice(past, past === 0 ? 16 : past + 1);
    const output = shard.run({ input: { kind: "ids", ids: tokens }, past, tokens: tokens.length, rows: tokens.map((_, index) => index) });
    if (output.kind === "logits") logits.set(output.logits, past * description.vocabSize);
  }
  return logits;
}

const largest = (values: Float64Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
/** Largest difference in units of the largest logit. */
function relativeError(actual: Float32Array, expected: Float64Array): number {
  return largest(expected.map((value, index) => value - (actual[index] ?? Number.NaN))) / largest(expected);
}

const plain = { headSize: TINY.headSize, rotaryTheta: THETA, rotaryScaling: { kind: "none" } } as const;
const llama3 = { rope_type: "llama3", factor: 4, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 };
const llama3Scaling = { kind: "llama3", factor: 4, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 32 } as const;

describe("an fp32 graph gives the logits of a plain forward pass", () => {
  const variants: readonly (readonly [string, Parameters<typeof randomWeights>[2], Record<string, unknown>, Partial<ReferenceModel>])[] = [
    ["with tied embeddings", {}, {}, {}],
    ["with a head of its own", { head: true }, {}, {}],
    ["with biases (Qwen 2)", { biases: true, head: true }, { model_type: "qwen2" }, {}],
    ["with head norms (Qwen 3)", { headNorms: true }, { model_type: "qwen3" }, {}],
    ["with a sliding window (Mistral)", {}, { model_type: "mistral", sliding_window: 5 }, { window: 5 }],
    ["with Llama 3's rotary scaling", {}, { rope_scaling: llama3 }, { rotary: { ...plain, rotaryScaling: llama3Scaling } }],
    [
      "with linear rotary scaling",
      {},
      { rope_scaling: { type: "linear", factor: 4 } },
      { rotary: { ...plain, rotaryScaling: { kind: "linear", factor: 4 } } },
    ],
  ];

  test.each(variants)("%s", async (_, extras, config, differences) => {
    const weights = randomWeights(TINY, 21n, extras);
    const [folder = ""] = await cutAll(huggingFaceFiles(TINY, weights, config), 1, "fp32");
    const model: ReferenceModel = { shape: TINY, weights, rotary: plain, ...differences };
    expect(relativeError(await logitsOf(folder, IDS), referenceLogits(model, IDS))).toBeLessThan(1e-5);
  });
});

const WIDE: TinyShape = { ...TINY, hiddenSize: 256, heads: 8, kvHeads: 4, headSize: 32, feedForwardSize: 512, layers: 2 };

describe("quantized graphs", () => {
  const wide = { headSize: 32, rotaryTheta: THETA, rotaryScaling: { kind: "none" } } as const;
  const mixes: readonly (readonly [string, (name: string) => TensorType])[] = [
    ...(["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"] as const).map(
      (type) => [type, () => type] as const,
    ),
    ["Q4_K with Q6_K values and down projections", (name) => (/v_proj|down_proj|lm_head/.test(name) ? "Q6_K" : "Q4_K")],
  ];

  test.each(mixes)("native %s: fp32 is exact, and the blocks' own arithmetic is near it", async (_, typeOf) => {
    const { files, weights } = ggufLlama(WIDE, 31n, typeOf);
    const expected = referenceLogits({ shape: WIDE, weights, rotary: wide }, IDS);
    const [exact = ""] = await cutAll(files, 1, "fp32");
    expect(relativeError(await logitsOf(exact, IDS), expected)).toBeLessThan(1e-5);
    const [native = ""] = await cutAll(files, 1, "native");
    expect(relativeError(await logitsOf(native, IDS), expected)).toBeLessThan(0.03); // activations are rounded to 8 bits
  });

  test.each([
    ["int8", 0.03],
    ["int4", 0.3],
  ] as const)("%s is as near as its bits allow", async (quantization, tolerance) => {
    const weights = randomWeights(WIDE, 41n);
    const [folder = ""] = await cutAll(huggingFaceFiles(WIDE, weights), 1, quantization);
    expect(relativeError(await logitsOf(folder, IDS), referenceLogits({ shape: WIDE, weights, rotary: wide }, IDS))).toBeLessThan(
      tolerance,
    );
  });
});

describe("stages", () => {
  test.each(["fp32", "int8", "int4"] as const)("of %s give the bits of the whole, however many there are", async (quantization) => {
    const files = huggingFaceFiles({ ...TINY, layers: 4 }, randomWeights({ ...TINY, layers: 4 }, 51n, { head: true }));
    const [whole = ""] = await cutAll(files, 1, quantization);
    for (const stages of [2, 3, 4]) {
      const staged = await cutAll(files, stages, quantization);
      expect(await verifyPartition({ whole, staged, open: openShard, seed: 3n, promptTokens: 12, decodeTokens: 8 })).toBe(0);
    }
  });

  test.each([
    ["Q4_1", "Q8_0"],
    ["Q4_K", "Q6_K"],
  ] as const)("of native %s with %s give the bits of the whole", async (body, ends) => {
    const { files } = ggufLlama(WIDE, 61n, (name) => (/layers/.test(name) ? body : ends));
    const [whole = ""] = await cutAll(files, 1, "native");
    const staged = await cutAll(files, 2, "native");
    expect(await verifyPartition({ whole, staged, open: openShard, seed: 3n, promptTokens: 12, decodeTokens: 8 })).toBe(0);
  });

  test("that belong to another model are found out", async () => {
    const [whole = ""] = await cutAll(huggingFaceFiles(TINY, randomWeights(TINY, 1n)), 1, "fp32");
    const staged = await cutAll(huggingFaceFiles(TINY, randomWeights(TINY, 2n)), 2, "fp32");
    const difference = await verifyPartition({ whole, staged, open: openShard, seed: 3n, promptTokens: 4, decodeTokens: 1 });
    expect(difference).toBeGreaterThan(0.1);
  });
});

describe("wanted rows", () => {
  test.each(["fp32", "int8", "native"] as const)("of a %s graph may be any, in any order, or none", async (quantization) => {
    const { files } = ggufLlama(WIDE, 71n, (name) => (/layers/.test(name) ? "Q4_1" : "Q4_K"));
    const [folder = ""] = await cutAll(files, 1, quantization);
    const description = await readShardFolder(folder);
    if (description === undefined) throw new Error("no shard");
    using shard = await openShard(folder, description, 32);
    const run = (rows: readonly number[]) => {
      const output = shard.run({ input: { kind: "ids", ids: IDS.slice(0, 6) }, past: 0, tokens: 6, rows });
      return output.kind === "logits" ? output.logits : new Float32Array();
    };
    const all = run([0, 1, 2, 3, 4, 5]);
    const vocabSize = description.vocabSize;
    expect(run([])).toHaveLength(0);
    const some = run([4, 1]);
    expect(some.subarray(0, vocabSize)).toEqual(all.subarray(4 * vocabSize, 5 * vocabSize));
    expect(some.subarray(vocabSize)).toEqual(all.subarray(vocabSize, 2 * vocabSize));
  });
});
