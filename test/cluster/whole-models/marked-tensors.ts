/** Megabytes that say whose they are, over HTTP and gRPC at a time: an answer that is another's, or was overwritten, is found. */
import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import { rawTensor } from "../../../client/tensor-input.ts";
import type { Random } from "../../../core/random.ts";
import { ensemble, port, step, times } from "../../models/ensembles.ts";
import type { ModelCluster } from "./model-cluster.ts";

const BATCHED = "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 2000 } instance_group { count: 1 kind: KIND_CPU }";

/** `marked_twice` answers in batches, `marked_thrice` from the cache too; of `marked_fork` one step's output goes to two steps. */
export const MARKED_MODELS: Readonly<Record<string, Readonly<Record<string, Uint8Array | string>>>> = {
  marked_twice: { "1/model.onnx": times(2), "config.pbtxt": BATCHED },
  marked_thrice: { "1/model.onnx": times(3), "config.pbtxt": `${BATCHED} response_cache { enable: true }` },
  marked_fork: {
    "1/.keep": "",
    ...ensemble(
      [port("input", "IN", "-1"), port("output", "FOUR", "-1"), port("output", "SIX", "-1")],
      [
        step("marked_twice", { IN: "IN" }, { OUT: "two" }),
        step("marked_twice", { IN: "two" }, { OUT: "FOUR" }),
        step("marked_thrice", { IN: "two" }, { OUT: "SIX" }),
      ],
    ),
  },
};

const OUTPUTS: readonly (readonly [model: string, factors: Readonly<Record<string, number>>])[] = [
  ["marked_twice", { OUT: 2 }],
  ["marked_thrice", { OUT: 3 }],
  ["marked_fork", { FOUR: 4, SIX: 6 }],
];
const ELEMENTS = 2 ** 18;
/** More than the system buffers of a connection. */
const LATE_ELEMENTS = 3 * 2 ** 20;
const CLIENTS = 8;
const EACH = 12;

function marked(mark: number, factor: number, elements = ELEMENTS): Buffer {
  const values = new Float32Array(elements);
  for (let at = 0; at < elements; at++) values[at] = (mark * 1000 + (at % 997)) * factor; // whole numbers below 2 ** 24
  return Buffer.from(values.buffer);
}

const bytesOf = ({ buffer: memory, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(memory, byteOffset, byteLength);

/** @returns how many answers were as they should be, and what was wrong with others; canceled requests are neither */
export async function markedAnswers(cluster: ModelCluster, random: Random) {
  const wrong: string[] = [];
  let right = 0;
  const check = (what: string, mark: number, factor: number, got: Uint8Array, elements?: number) => {
    if (marked(mark, factor, elements).equals(got)) right++;
    else wrong.push(what);
  };
  await using grpc = new GrpcClient(cluster.grpcAddress);
  const late = await Promise.all([1, 2].map((mark) => answerLeftUnread(cluster.url, marked(mark, 1, LATE_ELEMENTS))));
  const underWay = new Set<AbortController>();
  const ask = async (mark: number, protocol: "http" | "grpc") => {
    const [model, factors] = OUTPUTS[mark % OUTPUTS.length] ?? ["", {}];
    const controller = new AbortController();
    if (random.next() < 0.3) underWay.add(controller);
    const inputs = [rawTensor("IN", "FP32", [1, ELEMENTS], marked(mark, 1))];
    try {
      const result = await (protocol === "http" ? cluster.client : grpc).infer({ model, inputs }, { signal: controller.signal });
      for (const [name, factor] of Object.entries(factors))
        check(`${protocol}: ${name} of ${model} for ${mark}`, mark, factor, bytesOf(result.output(name).as("FP32")));
    } catch (thrown) {
      if (!controller.signal.aborted) wrong.push(String(thrown));
    }
    underWay.delete(controller);
    const [other] = underWay;
    if (random.next() < 0.5) other?.abort();
  };
  const client = async (_: unknown, number: number) => {
    for (let turn = 0; turn < EACH; turn++) await ask(Math.floor(random.next() * 60), number % 2 === 0 ? "http" : "grpc");
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  for (const [at, read] of late.entries()) check(`read late: ${at + 1}`, at + 1, 2, await read(), LATE_ELEMENTS);
  return { right, wrong };
}

/** Asks, and reads no more than the answer's head. @returns reads the output's bytes */
async function answerLeftUnread(url: string, data: Buffer): Promise<() => Promise<Buffer>> {
  const shape = [1, data.byteLength / 4];
  const input = { name: "IN", datatype: "FP32", shape, parameters: { binary_data_size: data.byteLength } };
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const agent = new Agent({ keepAlive: true }); // else the server gives us two seconds to read
  const asked = request(`${url}/v2/models/marked_twice/infer`, {
    method: "POST",
    agent,
    headers: { "inference-header-content-length": head.byteLength, "content-length": head.byteLength + data.byteLength },
  });
  const { promise, resolve, reject } = Promise.withResolvers<() => Promise<Buffer>>();
  asked.on("error", reject);
  asked.on("response", (response) => {
    const headBytes = Number(response.headers["inference-header-content-length"]);
    resolve(async () => {
      const body = await buffer(response);
      agent.destroy();
      return body.subarray(headBytes);
    });
  });
  asked.write(head);
  asked.end(data);
  return promise;
}
