/** The bytes of large tensors are the ones that arrived, from a client's socket to the runner's and back: counted, not timed. */
import { describe, expect, test } from "vitest";
import { checkInferRequest } from "../../../../core/model/check-inputs.ts";
import { type Tensor, tensorOf } from "../../../../core/tensor/tensor.ts";
import type { BatchResult } from "../../../../core/wire/model-runner.ts";
import { type ModelFrameHead, ModelFrameParser, modelFrame } from "../../../../core/wire/model-wire.ts";
import { BatchCodec, encodeResult } from "../../../../core/wire/model-wire-batch.ts";
import { BodyBytes } from "../../../../gateway/kserve/infer/body-bytes.ts";
import { encodeInferAnswer } from "../../../../gateway/kserve/infer/infer-answer.ts";
import { BatchAssembler } from "../../../../node-agent/engines/batch/assemble.ts";
import { ResultSplitter } from "../../../../node-agent/engines/batch/split.ts";

const CHUNK = 64 * 1024;
const CHUNKS = 16;
const ELEMENTS = (CHUNKS * CHUNK) / 4;
const spec = (name: string) => ({ name, dtype: "FP32", shape: [-1, -1], optional: false, ragged: false, labels: [] }) as const;
const planned = (name: string) => ({ name, dims: [-1], reshape: undefined, optional: false, ragged: false, shapedLike: undefined });
const VIEW = {
  name: "identity",
  version: "1",
  versions: ["1"],
  platform: "onnxruntime_onnx",
  maxBatchSize: 64,
  decoupled: false,
  configJson: "{}",
  inputs: [spec("INPUT0")],
  outputs: [spec("OUTPUT0")],
};
const PLAN = { maxBatchSize: 64, inputs: [planned("INPUT0")], outputs: [planned("OUTPUT0")], batchInputs: [] };
const codec = new BatchCodec({ inputs: [spec("INPUT0")], outputs: [spec("OUTPUT0")] });
const chunks = () => Array.from({ length: CHUNKS }, (_, at) => new Uint8Array(CHUNK).fill(at));
const buffersOf = (pieces: readonly Uint8Array[]) => pieces.map(({ buffer }) => buffer);

describe("a tensor of a megabyte", () => {
  test("goes to its runner in the chunks in which it came from its client", () => {
    const segments = chunks();
    const body = new BodyBytes({ byteLength: CHUNKS * CHUNK, segments });
    const tensor = tensorOf({ name: "INPUT0", dtype: "FP32", shape: [1, ELEMENTS] }, body.takePieces(CHUNKS * CHUNK));
    const request = { id: "", inputs: [tensor], outputs: [] };
    checkInferRequest(request, VIEW);
    const encoded = codec.encodeBatch(new BatchAssembler(PLAN).assemble([request]));
    expect(buffersOf(encoded.parts)).toEqual(buffersOf(segments));
    expect(encoded.payloadBytes).toBe(CHUNKS * CHUNK);
  });

  test("goes to its client in the chunks in which it came from its runner", () => {
    const data = Buffer.concat(chunks());
    const head = { name: "OUTPUT0", dtype: "FP32", shape: [1, ELEMENTS] } as const;
    const sent = encodeResult([{ port: 0, head, data }], { inputUs: 0, inferUs: 0, outputUs: 0 });
    const stream = Buffer.concat([modelFrame({ kind: "result", number: 1, head: sent.head }, sent.payloadBytes, 0), data]);
    let result: BatchResult | undefined;
    const parser = new ModelFrameParser({
      room: () => "pieces",
      frame: (frame: ModelFrameHead, payload) => (result = codec.decodeResult(frame.head, payload)),
    });
    const arrived: Uint8Array[] = [];
    for (let at = 0; at < stream.byteLength; at += CHUNK) {
      arrived.push(new Uint8Array(stream.subarray(at, at + CHUNK)));
      parser.push(arrived.at(-1) ?? data);
    }
    const input: Tensor = { name: "INPUT0", dtype: "FP32", shape: [1, ELEMENTS], data };
    const splitter = new ResultSplitter({ ...PLAN, instances: 1, dynamic: undefined, warmUps: [], rates: [] });
    const [outputs = []] = splitter.split(result?.outputs ?? [], [{ submit: { inputs: [input], outputs: [] }, rows: 1 }]);
    const response = { model: "identity", version: "1", parameters: new Map(), outputs };
    const { body } = encodeInferAnswer(response, {
      head: { id: "", outputs: new Map(), binaryOutput: true },
      view: VIEW,
      shared: new Map(),
    });
    const [json, ...blobs] = typeof body === "string" ? [] : body;
    expect(json?.byteLength).toBeGreaterThan(0);
    expect(new Set(buffersOf(blobs))).toEqual(new Set(buffersOf(arrived)));
    expect(Buffer.concat(blobs).equals(data)).toBe(true);
  });
});
