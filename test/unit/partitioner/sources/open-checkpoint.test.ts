/** Checkpoints found and described, of both formats; what is not supported says so. */
import { describe, expect, test } from "vitest";
import { memoryModelFiles } from "../../../../core/repository/memory.ts";
import type { ModelFiles } from "../../../../core/repository/repository.ts";
import { openCheckpoint } from "../../../../partitioner/sources/open-checkpoint.ts";
import { ggufFile, type MetadataValue, safetensorsFile } from "../checkpoint-files.ts";
import { ggufLlama, huggingFaceFiles, randomWeights, TINY } from "../tiny-llama.ts";

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const weights = randomWeights(TINY, 1n);
const withConfig = (config: Readonly<Record<string, unknown>>) => openCheckpoint(huggingFaceFiles(TINY, weights, config), "1");

async function contentOf(files: ModelFiles): Promise<Map<string, Uint8Array>> {
  const content = new Map<string, Uint8Array>();
  for (const { name, bytes } of await files.list()) content.set(name, await files.readRange(name, 0, bytes));
  return content;
}

/** The same files under other names. */
async function renamed(files: ModelFiles, rename: (name: string) => string): Promise<ModelFiles> {
  return memoryModelFiles(new Map([...(await contentOf(files))].map(([name, bytes]) => [rename(name), bytes])));
}

describe("a Hugging Face folder", () => {
  test("gives its hyperparameters, with the defaults of transformers", async () => {
    const { hyperparameters, layout, weightTypes } = await withConfig({ num_key_value_heads: 4, head_dim: null, rope_theta: undefined });
    expect(hyperparameters).toEqual({
      architecture: "llama",
      layers: 3,
      hiddenSize: 64,
      heads: 4,
      kvHeads: 4,
      headSize: 16,
      feedForwardSize: 96,
      vocabSize: 128,
      normEpsilon: 1e-5,
      rotaryTheta: 10_000,
      rotaryScaling: { kind: "none" },
      contextLength: 64,
      slidingWindow: undefined,
      tiedEmbeddings: true,
    });
    expect([layout, weightTypes]).toEqual(["huggingface", ["F32"]]);
  });

  test("may scale its rotary frequencies in the old way and the new", async () => {
    const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 };
    const scaling = { kind: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 32 };
    expect((await withConfig({ rope_scaling: llama3 })).hyperparameters.rotaryScaling).toEqual(scaling);
    const modern = (await withConfig({ rope_theta: undefined, rope_parameters: { ...llama3, rope_theta: 500_000 } })).hyperparameters;
    expect([modern.rotaryScaling, modern.rotaryTheta]).toEqual([scaling, 500_000]);
    const linear = await withConfig({ rope_scaling: { type: "linear", factor: 4 } });
    expect(linear.hyperparameters.rotaryScaling).toEqual({ kind: "linear", factor: 4 });
  });

  test("has a sliding window only when it is used", async () => {
    expect((await withConfig({ sliding_window: 16 })).hyperparameters.slidingWindow).toBe(16);
    expect((await withConfig({ sliding_window: 16, use_sliding_window: false })).hyperparameters.slidingWindow).toBeUndefined();
    expect((await withConfig({ sliding_window: null })).hyperparameters.slidingWindow).toBeUndefined();
  });

  test.each([
    [{ rope_scaling: { rope_type: "yarn", factor: 4 } }, "'yarn' is not supported"],
    [{ hidden_act: "gelu" }, "activation 'gelu'"],
    [{ num_local_experts: 8 }, "mixture of experts"],
    [{ quantization_config: { bits: 4 } }, "quantized safetensors"],
    [{ partial_rotary_factor: 0.5 }, "part of each head"],
    [{ layer_types: ["full_attention", "sliding_attention"] }, "mixing kinds"],
  ])("with %j is refused as not supported", async (config, message) => {
    await expect(withConfig(config)).rejects.toMatchObject({ code: "UNIMPLEMENTED", message: expect.stringContaining(message) });
  });

  test.each([
    [{ num_hidden_layers: "3" }, "'num_hidden_layers' must be a whole number"],
    [{ num_attention_heads: 0 }, "'num_attention_heads'"],
    [{ num_key_value_heads: 3 }, "do not share 3 key-value heads"],
    [{ head_dim: 15 }, "head size of 15"],
    [{ rms_norm_eps: undefined }, "'rms_norm_eps'"],
  ])("with %j is refused as damaged", async (config, message) => {
    await expect(withConfig(config)).rejects.toMatchObject({ code: "DATA_LOSS", message: expect.stringContaining(message) });
  });

  test("may spread its tensors over files that an index names", async () => {
    const tensor = (value: number) => ({ shape: [1], type: "F32", bytes: new Uint8Array(Float32Array.of(value).buffer) });
    const content = await contentOf(huggingFaceFiles(TINY, weights));
    content.delete("1/model.safetensors");
    content.set("1/model-1.safetensors", safetensorsFile({ a: tensor(1) }));
    content.set("1/model-2.safetensors", safetensorsFile({ b: tensor(2) }));
    const index = (weight_map: unknown) => content.set("1/model.safetensors.index.json", text({ weight_map }));
    index({ a: "model-1.safetensors", b: "model-2.safetensors" });
    const checkpoint = await openCheckpoint(memoryModelFiles(content), "1");
    expect(new Float32Array((await checkpoint.tensor("b").readRows(0, 1)).buffer)).toEqual(Float32Array.of(2));
    for (const wrong of [{ a: "../model-1.safetensors" }, { a: "model-3.safetensors" }, { a: 1 }]) {
      index(wrong);
      await expect(openCheckpoint(memoryModelFiles(content), "1")).rejects.toMatchObject({ code: "DATA_LOSS" });
    }
  });
});

test("R52: code beside a checkpoint is not run, and pickled weights are not read", async () => {
  const content = await contentOf(huggingFaceFiles(TINY, weights));
  const canary = "globalThis.canary = true; throw new Error('run')";
  for (const name of ["modeling_tiny.py", "tokenizer.js", "index.mjs", "addon.node"]) content.set(`1/${name}`, text(canary));
  const config: object = JSON.parse(new TextDecoder().decode(content.get("1/config.json")));
  content.set("1/config.json", text({ ...config, auto_map: { AutoModelForCausalLM: "modeling_tiny.TinyModel" }, trust_remote_code: true }));
  const checkpoint = await openCheckpoint(memoryModelFiles(content), "1");
  expect(checkpoint.hyperparameters.layers).toBeGreaterThan(0);
  content.delete("1/model.safetensors");
  for (const name of ["pytorch_model.bin", "model.pt", "model.pkl"]) content.set(`1/${name}`, text("cos\nsystem\n(S'id'\ntR."));
  await expect(openCheckpoint(memoryModelFiles(content), "1")).rejects.toBeInstanceOf(Error);
  expect(Reflect.has(globalThis, "canary")).toBe(false);
});

describe("a GGUF file", () => {
  const { files } = ggufLlama(TINY, 1n, () => "F32");

  test("gives the same hyperparameters", async () => {
    const gguf = (await openCheckpoint(files, "1")).hyperparameters;
    const folder = (await withConfig({})).hyperparameters;
    expect({ ...gguf, normEpsilon: 0, tiedEmbeddings: true }).toEqual({ ...folder, normEpsilon: 0 });
    expect(gguf.normEpsilon).toBeCloseTo(1e-5, 10);
  });

  const withMetadata = (metadata: Readonly<Record<string, MetadataValue>>) =>
    openCheckpoint(
      memoryModelFiles(new Map([["1/model.gguf", ggufFile({ ...BASE, ...metadata }, { "token_embd.weight": EMBEDDING })]])),
      "1",
    );
  const EMBEDDING = { shape: [8, 64], type: "F32", bytes: new Uint8Array(8 * 64 * 4) };
  const BASE: Readonly<Record<string, MetadataValue>> = {
    "general.architecture": "llama",
    "llama.block_count": { u32: 1 },
    "llama.embedding_length": { u32: 64 },
    "llama.attention.head_count": { u32: 4 },
    "llama.feed_forward_length": { u32: 64 },
    "llama.context_length": { u32: 64 },
    "llama.attention.layer_norm_rms_epsilon": { f32: 1e-5 },
  };

  test("needs no more than the keys that have no default", async () => {
    const { hyperparameters } = await withMetadata({});
    expect(hyperparameters).toMatchObject({ kvHeads: 4, headSize: 16, rotaryTheta: 10_000, vocabSize: 8, tiedEmbeddings: true });
    const linear = await withMetadata({ "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": { f32: 2 } });
    expect(linear.hyperparameters.rotaryScaling).toEqual({ kind: "linear", factor: 2 });
  });

  test.each([
    [{ "llama.rope.scaling.type": "yarn" }, "UNIMPLEMENTED", "'yarn' is not supported"],
    [{ "llama.expert_count": { u32: 8 } }, "UNIMPLEMENTED", "mixture of experts"],
    [{ "llama.rope.dimension_count": { u32: 8 } }, "UNIMPLEMENTED", "part of each head"],
    [{ "split.count": { u32: 2 } }, "UNIMPLEMENTED", "llama-gguf-split"],
    [{ "llama.block_count": "one" }, "DATA_LOSS", "'block_count'"],
    [{ "general.architecture": true }, "DATA_LOSS", "general.architecture"],
  ] as const)("with %j is refused", async (metadata, code, message) => {
    await expect(withMetadata(metadata)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("is asked for a tensor of a type that is not read, and names it", async () => {
    const bytes = ggufFile(BASE, { "token_embd.weight": EMBEDDING, x: { shape: [1, 256], type: "Q2_K", bytes: new Uint8Array(84) } });
    const checkpoint = await openCheckpoint(memoryModelFiles(new Map([["1/model.gguf", bytes]])), "1");
    expect(() => checkpoint.tensor("x")).toThrow(
      expect.objectContaining({ code: "UNIMPLEMENTED", message: expect.stringContaining("Q2_K") }),
    );
    expect(() => checkpoint.tensor("z")).toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
  });
});

describe("the checkpoint of a version", () => {
  test("lies in the version's folder, or else in the model's own; its digest does not depend on where", async () => {
    const folder = huggingFaceFiles(TINY, weights);
    const here = await openCheckpoint(folder, "1");
    const above = await openCheckpoint(await renamed(folder, (name) => name.slice(2)), "1");
    const { files } = ggufLlama(TINY, 1n, () => "F32");
    const named = await openCheckpoint(await renamed(files, () => "3/model.gguf"), "3");
    expect(above.digest).toBe(here.digest);
    expect(named.digest).toBe((await openCheckpoint(files, "1")).digest);
    expect(named.digest).not.toBe(here.digest);
    expect((await withConfig({ rope_theta: 5 })).digest).not.toBe(here.digest);
  });

  test("may be the only GGUF file, whatever its name; several leave the choice open", async () => {
    const content = await contentOf(ggufLlama(TINY, 1n, () => "F32").files);
    const bytes = content.get("1/model.gguf") ?? new Uint8Array();
    const only = memoryModelFiles(new Map([["1/tiny.Q4.gguf", bytes]]));
    expect((await openCheckpoint(only, "1")).layout).toBe("gguf");
    const several = memoryModelFiles(
      new Map([
        ["1/a.gguf", bytes],
        ["1/b.gguf", bytes],
      ]),
    );
    await expect(openCheckpoint(several, "1")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(openCheckpoint(only, "2")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
