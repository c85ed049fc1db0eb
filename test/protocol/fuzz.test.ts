/**
 * Anything at all, sent to the doors: mutations of good requests with fixed seeds. Whatever comes is answered with a text, computes for
 * no longer than a stream may wait, and leaves nothing behind.
 */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GRPCInferenceService, ModelInferRequestSchema } from "../../protos/gen/grpc_service_pb.ts";
import { damaged, mutated } from "../support/hostile-json.ts";
import { SCRIPTED_MODEL } from "../support/scripted-text.ts";
import { TurnWatch } from "../support/turn-watch.ts";
import { GrpcClient, pathOf } from "./grpc-client.ts";
import { streamBytes } from "./grpc-stream-bytes.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";

const SEED = 20_260_301;
const RUNS = { seed: SEED, numRuns: 200 };
const TURN_MS_MAX = 100;
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

let doors: ScriptedDoors;
let grpc: GrpcClient;
let watch: TurnWatch;
let heapBytes: number;

beforeAll(async () => {
  doors = await startDoors();
  grpc = new GrpcClient(doors.grpcPort);
  for (const name of ["identity_fp32", "identity_str"]) await doors.models.load(name, { files: new Map() });
  for (const path of Object.keys(BODIES)) await post(path, "{}");
  watch = new TurnWatch();
  collect();
  heapBytes = process.memoryUsage().heapUsed;
});

afterAll(async () => {
  watch?.[Symbol.dispose]();
  grpc?.[Symbol.dispose]();
  await doors?.[Symbol.asyncDispose]();
});

/** Where Triton itself answers 500 or 503, in its own words (traps 1 and 2, captures); every other one would be a failure of ours. */
const TRITON_500 =
  /failed to parse|Unable to parse|Unable to set|attempt to access|Failed to parse|failed to get request params|Shape does not match|should be at least|failed to load '\w+'|invalid argument for --|unexpected error on creating Triton parameter|Unable to open shared memory region/;

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(`${doors.httpAddress}${path}`, { method: "POST", body, headers });

async function checkAnswered(response: Response): Promise<void> {
  const text = await response.text();
  if (response.status === 200) return;
  const said: { readonly error?: string | { readonly message?: string } } = JSON.parse(text);
  const message = typeof said.error === "string" ? said.error : said.error?.message;
  expect(message, text).toMatch(/\S/);
  expect(message).not.toMatch(/internal error|\/home|\/work|node_modules|\bat .*:\d+:\d+/);
  if (response.status >= 500 && response.status !== 501) expect(`${response.status} ${message}`).toMatch(TRITON_500);
}

const infer = (fields: object = {}) => ({
  id: "1",
  inputs: [
    { name: "INPUT0", datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] },
    {
      name: "INPUT1",
      datatype: "FP32",
      shape: [1, 4],
      data: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
  outputs: [{ name: "OUTPUT0", parameters: { binary_data: false, classification: 2 } }],
  parameters: { sequence_id: 5, sequence_start: true, priority: 1, timeout: 5, binary_data_output: false, mine: "x" },
  ...fields,
});

const LANGUAGE = encodeURIComponent(SCRIPTED_MODEL);
const messages = [
  { role: "system", content: "be kind" },
  { role: "user", content: [{ type: "text", text: "hello" }] },
];
const sampling = {
  max_tokens: 4,
  temperature: 0.5,
  top_p: 0.9,
  top_k: 5,
  seed: 7,
  stop: ["x", "y"],
  logit_bias: { "5": 1 },
  n: 2,
  user: "me",
};
const chat = {
  model: SCRIPTED_MODEL,
  messages,
  logprobs: true,
  top_logprobs: 2,
  stream: true,
  stream_options: { include_usage: true },
  ...sampling,
};
const completion = { model: SCRIPTED_MODEL, prompt: ["a", "b"], echo: true, logprobs: 1, best_of: 2, suffix: "", ...sampling };
const generate = {
  text_input: "a",
  parameters: { max_tokens: 3 },
  stop_words: ["x"],
  temperature: 0.5,
  random_seed: 5,
  stream: false,
  id: "7",
};
const text = { inputs: [{ name: "text_input", datatype: "BYTES", shape: [1], data: ["hello"] }] };

/** A good request of each kind. */
const BODIES = {
  "/v2/models/add_sub/infer": infer(),
  "/v2/models/identity_str/infer": { inputs: [{ name: "INPUT0", datatype: "BYTES", shape: [1, 1], data: ["a\u0000é"] }] },
  "/v2/models/identity_fp32/generate": { INPUT0: [1, 2], parameters: { mine: 1 } },
  [`/v2/models/${LANGUAGE}/generate`]: generate,
  [`/v2/models/${LANGUAGE}/generate_stream`]: generate,
  "/v1/chat/completions": chat,
  "/v1/completions": completion,
  "/v2/repository/index": { ready: true },
  "/v2/repository/models/add_sub/load": { parameters: { config: '{"max_batch_size":2}', "file:1/model.onnx": "AAAA" } },
  "/v2/logging": { log_verbose_level: 1, log_info: true, log_format: "default" },
  "/v2/trace/setting": { trace_level: ["TIMESTAMPS"], trace_rate: "5", trace_count: "-1", log_frequency: "0" },
  "/v2/systemsharedmemory/region/r/register": { key: "/nowhere", offset: 0, byte_size: 64 },
};

/** Clients and doors share a process: whoever holds it up is seen. */
function nobodyHangs(): void {
  beforeEach(() => watch.reset());
  afterEach(() => expect(watch.longestMs).toBeLessThan(TURN_MS_MAX));
}

describe("bodies over HTTP", () => {
  nobodyHangs();

  test.each(Object.entries(BODIES))("%s takes any JSON at all", async (path, body) => {
    await fc.assert(
      fc.asyncProperty(mutated(body), async (sent) => checkAnswered(await post(path, sent))),
      RUNS,
    );
  });

  test.each(Object.entries(BODIES))("%s takes any bytes at all", async (path, body) => {
    await fc.assert(
      fc.asyncProperty(damaged(JSON.stringify(body)), async (sent) => checkAnswered(await post(path, sent))),
      RUNS,
    );
  });

  test("events take any JSON and bytes at all", async () => {
    const path = `/v2/models/${LANGUAGE}/infer`;
    const any = fc.oneof(mutated(text), damaged(JSON.stringify(text)));
    await fc.assert(
      fc.asyncProperty(any, async (sent) => checkAnswered(await post(path, sent, { accept: "text/event-stream" }))),
      RUNS,
    );
  });

  test("binary data may lie about every length", async () => {
    const lie = fc.oneof(
      fc.integer({ min: -5, max: 300 }).map(String),
      fc.constantFrom("", "0", "1e3", "0x10", "12abc", " 7", "99999999999", "-1", "2147483648", "18446744073709551616", "7, 7"),
    );
    const size = fc.oneof(fc.integer({ min: -1, max: 64 }), fc.constantFrom(2 ** 31, 2 ** 53, 1e300, 1.5));
    const shape = fc.array(fc.constantFrom(0, 1, 2, 4, 2 ** 31, 2 ** 53 - 1, -1), { maxLength: 4 });
    const datatype = fc.constantFrom("FP32", "INT8", "BYTES", "BOOL", "FP16", "FP64", "X");
    await fc.assert(
      fc.asyncProperty(
        lie,
        size,
        shape,
        datatype,
        fc.uint8Array({ maxLength: 64 }),
        fc.boolean(),
        async (header, bytes, sizes, dtype, blob, isHonest) => {
          const inputs = [{ name: "INPUT0", datatype: dtype, shape: sizes, parameters: { binary_data_size: bytes } }];
          const json = Buffer.from(JSON.stringify({ inputs }));
          const length = isHonest ? String(json.length) : header;
          const model = dtype === "BYTES" ? "identity_str" : "identity_fp32";
          const sent = new Uint8Array(Buffer.concat([json, blob]));
          await checkAnswered(await post(`/v2/models/${model}/infer`, sent, { "inference-header-content-length": length }));
        },
      ),
      { ...RUNS, numRuns: 1_000 },
    );
  });

  test("compressed bodies may be anything", async () => {
    const encoding = fc.constantFrom("gzip", "deflate", "br", "gzip, gzip", "identity", "", "\u00e9");
    const path = "/v2/models/add_sub/infer";
    await fc.assert(
      fc.asyncProperty(encoding, fc.uint8Array({ maxLength: 200 }), async (name, bytes) => {
        await checkAnswered(await post(path, new Uint8Array(bytes), { "content-encoding": name }));
      }),
      RUNS,
    );
  });
});

describe("shared memory", () => {
  nobodyHangs();

  test("may be asked for at any place", async () => {
    const key = `nereid-fuzz-${process.pid}`;
    const descriptor = openSync(`/dev/shm/${key}`, "w+", 0o600);
    writeSync(descriptor, new Uint8Array(64));
    closeSync(descriptor);
    try {
      const place = fc.oneof(fc.integer({ min: -2, max: 70 }), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 63, 1.5, -1));
      await fc.assert(
        fc.asyncProperty(place, place, place, place, async (offset, size, at, bytes) => {
          const region = "/v2/systemsharedmemory/region/fuzz";
          await checkAnswered(await post(`${region}/register`, JSON.stringify({ key: `/${key}`, offset, byte_size: size })));
          const parameters = { shared_memory_region: "fuzz", shared_memory_offset: at, shared_memory_byte_size: bytes };
          const inputs = [{ name: "INPUT0", datatype: "FP32", shape: [1, 4], parameters }];
          await checkAnswered(
            await post("/v2/models/identity_fp32/infer", JSON.stringify({ inputs, outputs: [{ name: "OUTPUT0", parameters }] })),
          );
          await checkAnswered(await post(`${region}/unregister`, ""));
        }),
        { ...RUNS, numRuns: 200 },
      );
    } finally {
      unlinkSync(`/dev/shm/${key}`);
    }
  });
});

describe("messages over gRPC", () => {
  nobodyHangs();

  const request = toBinary(
    ModelInferRequestSchema,
    create(ModelInferRequestSchema, {
      modelName: "identity_fp32",
      id: "1",
      inputs: [
        { name: "INPUT0", datatype: "FP32", shape: [1n, 4n], parameters: { mine: { parameterChoice: { case: "int64Param", value: 5n } } } },
      ],
      outputs: [{ name: "OUTPUT0" }],
      rawInputContents: [new Uint8Array(16)],
    }),
  );
  const anyMessage = damaged(Buffer.from(request).toString("latin1")).map((bytes) =>
    Buffer.from(Buffer.from(bytes).toString("utf8"), "latin1"),
  );

  test.each(Object.values(GRPCInferenceService.method).filter(({ methodKind }) => methodKind === "unary"))(
    "$name takes any message at all",
    async (rpc) => {
      await fc.assert(
        fc.asyncProperty(fc.oneof(anyMessage, fc.uint8Array({ maxLength: 60 })), async (bytes) => {
          const { code, details } = await grpc.bytes(pathOf(rpc), bytes, { timeoutMs: 5_000 });
          expect(["UNKNOWN", "DEADLINE_EXCEEDED"]).not.toContain(code);
          expect(details).not.toContain("internal error");
        }),
        { ...RUNS, numRuns: 150 },
      );
    },
  );

  test("a stream takes any messages at all, and ends", async () => {
    const path = pathOf(GRPCInferenceService.method.modelStreamInfer);
    await fc.assert(
      fc.asyncProperty(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), async (sent) => {
        const { code, details } = await streamBytes(doors.grpcPort, path, sent);
        expect(["OK", "INVALID_ARGUMENT"], details).toContain(code);
      }),
      { ...RUNS, numRuns: 150 },
    );
  });
});

test("after all that the doors serve as before, and hold no more memory", async () => {
  await doors.models.load("add_sub", { files: new Map() });
  const { id, inputs } = infer();
  const [INPUT0] = inputs;
  const good = { id, inputs: ["INPUT0", "INPUT1"].map((name) => ({ ...INPUT0, name, shape: [4] })) };
  expect((await post("/v2/models/add_sub/infer", JSON.stringify(good))).status).toBe(200);
  expect(await grpc.unary(GRPCInferenceService.method.serverReady, {})).toMatchObject({ code: "OK" });
  expect(doors.text.running).toBe(0);
  doors.models.requests.length = 0;
  doors.text.requests.length = 0;
  await expect
    .poll(() => {
      collect();
      return process.memoryUsage().heapUsed - heapBytes;
    })
    .toBeLessThan(KEPT_BYTES_MAX);
});
