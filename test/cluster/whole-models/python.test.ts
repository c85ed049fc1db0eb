/**
 * Models that are programs in `nereid up`: what Python models do through the agent (their traps are in
 * test/protocol/traps-python.test.ts), what clients get of those that answer often, and what `nereid bench` sends to those with sequences.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../../client/client.ts";
import { GrpcClient } from "../../../client/grpc/grpc-client.ts";
import type { InferResult } from "../../../client/infer-result.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { MAIN, run } from "../../engine/cli/command.ts";
import {
  CALLS,
  COUNT,
  COUNTED,
  DOUBLE,
  DOUBLE_PY,
  HANDS_ON,
  LOADS,
  MEASURED,
  SAYS_ITSELF,
  SUMS,
  TALLY,
} from "../../models/python-models.ts";
import { REPEAT, SQUARE, withParameters } from "../../models/sample-backends.ts";
import { addSub } from "../../models/small-models.ts";
import { pythonWithPackages } from "../../support/python.ts";
import { eventually, type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const repository = new ModelRepository();
let cluster: ModelCluster;
let grpc: GrpcClient;

beforeAll(async () => {
  repository
    .put("double", { ...DOUBLE, "1/double.py": DOUBLE_PY })
    .put("count", { ...COUNT })
    .put("calls", { ...CALLS })
    .put("loads", { ...LOADS, "1/brought.onnx": addSub([2], "i32") });
  repository
    .put("says-itself", { ...SAYS_ITSELF })
    .put("sums", { ...SUMS })
    .put("tally", { ...TALLY })
    .put("repeat", { "config.pbtxt": REPEAT })
    .put("square", { "config.pbtxt": withParameters(SQUARE, { CUSTOM_FAIL_COUNT: "1", CUSTOM_EMPTY_COUNT: "1" }) })
    .put("counted", { ...COUNTED })
    .put("measured", { ...MEASURED })
    .put("hands-on", { ...HANDS_ON });
  repository.put("broken", { ...DOUBLE }).put("packed", { ...DOUBLE, "config.pbtxt": `${DOUBLE["config.pbtxt"]} ${ENVIRONMENT}` });
  const loaded = "double;count;calls;loads;says-itself;sums;tally;repeat;square;counted;measured;hands-on";
  const flags = { "--nodes": "2", "--model-control-mode": "explicit", "--load-model": loaded };
  cluster = await startModelCluster(repository.folder, { ...flags, "--python": await pythonWithPackages() });
  grpc = new GrpcClient(cluster.grpcAddress);
});

afterAll(async () => {
  await grpc?.close();
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const ENVIRONMENT = 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "env.tar.gz" } }';

async function ask(model: string, value: number): Promise<number | undefined> {
  const result = await cluster.client.infer({ model, inputs: [tensor("INPUT0", "INT32", [1], [value])] });
  return [...result.output("OUTPUT0").as("INT32")][0];
}

const streamed = async (value: number) => {
  const response = await fetch(`${cluster.url}/v2/models/count/generate_stream`, {
    method: "POST",
    body: JSON.stringify({ INPUT0: value }),
  });
  return (await response.text()).split("\n").filter((line) => line !== "");
};

test("a model imports what lies in its version's folder", async () => {
  expect(await ask("double", 4)).toBe(8);
});

test("a decoupled model answers from a thread after execute has returned; an answer may fail, and others follow it", async () => {
  const said = await streamed(100);
  expect(said).toHaveLength(100);
  expect(said[3]).toContain("no 3");
  expect(said.at(-1)).toContain('"OUTPUT0":99');
});

test("a decoupled model that answers nothing only ends", async () => {
  expect(await streamed(0)).toEqual([]);
});

test("a model calls models of the cluster, several at a time, decoupled ones too, and is told what fails", async () => {
  expect(await ask("calls", 3)).toBe(2 * 6 + 0 + 1 + 2);
});

test("a model loads others, with files and a configuration of its own, sees when they are ready, unloads them, and is told what fails", async () => {
  const result = await cluster.client.infer({ model: "loads", inputs: [tensor("INPUT0", "INT32", [1], [0])] });
  const failure = "failed to load 'nowhere', failed to poll from model repository";
  expect(JSON.parse(result.output("OUTPUT0").strings().join(""))).toEqual([false, true, false, true, failure]);
});

test("a model that completes its configuration itself is served as that says", async () => {
  const config = await (await fetch(`${cluster.url}/v2/models/says-itself/config`)).json();
  expect(config).toMatchObject({ max_batch_size: 4, input: [{ name: "INPUT0", data_type: "TYPE_STRING", dims: [-1] }] });
  const inputs = [tensor("INPUT0", "BYTES", [1, 3], ["a", "bc", ""])];
  const result = await cluster.client.infer({ model: "says-itself", inputs });
  expect(result.output("OUTPUT0").strings()).toEqual(["", "bc", "a"]);
});

type Flags = { readonly start?: boolean; readonly end?: boolean };
const stepsOf =
  (model: string) =>
  async (id: bigint, value: number, flags: Flags = {}) => {
    const inputs = [tensor("INPUT0", "INT32", [1, 1], [value])];
    const result = await cluster.client.infer({ model, inputs, sequence: { id, ...flags } });
    return [...result.output("OUTPUT0").as("INT32")][0];
  };

test("a model with sequences gets each row as a request, with its controls", async () => {
  const step = stepsOf("sums");
  expect(await Promise.all([step(1n, 1, { start: true }), step(2n, 10, { start: true })])).toEqual([1, 10]);
  expect(await step(2n, 20)).toBe(30); // row 0 has no request meanwhile
  expect(await Promise.all([step(1n, 2, { end: true }), step(2n, 30, { end: true })])).toEqual([3, 60]);
});

test("a model with sequences calls another one's, with ids and flags of its own; a step that fails takes no other along", async () => {
  const step = stepsOf("hands-on");
  expect(await Promise.all([step(1n, 1, { start: true }), step(2n, 10, { start: true })])).toEqual([1, 10]);
  const failed = expect.objectContaining({ code: "INVALID_ARGUMENT", message: "below 0" });
  expect(await Promise.all([step(1n, -1).catch((error: unknown) => error), step(2n, 20)])).toEqual([failed, 30]);
  expect(await Promise.all([step(1n, 2, { end: true }), step(2n, 30, { end: true })])).toEqual([3, 60]);
});

test("a model is warm before it serves, and its answers have the parameters that it gives them", async () => {
  const result = await cluster.client.infer({ model: "counted", inputs: [tensor("INPUT0", "INT32", [1], [0])] });
  expect([...result.output("OUTPUT0").as("INT32")]).toEqual([3]);
  const { parameters } = result;
  expect([Number(parameters.get("had")), parameters.get("kind"), parameters.get("sure")]).toEqual([3, "counted", true]);
});

test("metrics that a model keeps itself are served with the answer that follows them, with its labels, until it is unloaded", async () => {
  const kept = async () => (await cluster.metrics()).split("\n").filter((line) => /^(# \w+ )?(had_total|last_value|sizes)/.test(line));
  for (const value of [7, 0, 20]) await ask("measured", value);
  const labels = 'kind="test",model="measured"';
  expect(await kept()).toEqual([
    "# HELP had_total All of INPUT0.",
    "# TYPE had_total counter",
    `had_total{${labels}} 27`,
    "# HELP last_value The last INPUT0.",
    "# TYPE last_value gauge",
    `last_value{${labels}} 20`,
    "# HELP sizes How large INPUT0 is.",
    "# TYPE sizes histogram",
    `sizes_bucket{kind="test",le="1",model="measured"} 1`,
    `sizes_bucket{kind="test",le="10",model="measured"} 2`,
    `sizes_bucket{kind="test",le="+Inf",model="measured"} 3`,
    `sizes_sum{${labels}} 27`,
    `sizes_count{${labels}} 3`,
  ]);
  await cluster.client.unloadModel("measured");
  expect(await kept()).toEqual([]);
});

test("a model that cannot be loaded says what it raised, and where", async () => {
  const raised = /No module named '1\.double'\n\nAt:\n {2}.*\/broken\/1\/model\.py\(7\): <module>/;
  await expect(cluster.client.loadModel("broken")).rejects.toThrow(raised);
});

test("a packed environment is refused with the remedy", async () => {
  await expect(cluster.client.loadModel("packed")).rejects.toThrow(/EXECUTION_ENV_PATH.*--python/);
});

test("a program that a load call brings along is not run", async () => {
  const files = { "1/model.py": new TextEncoder().encode(DOUBLE["1/model.py"]) };
  const config = JSON.stringify({ name: "double", backend: "python" });
  await expect(cluster.client.loadModel("double", { config, files })).rejects.toThrow("programs are run from the repository alone");
  expect(await ask("double", 5)).toBe(10);
});

const repeated = (values: readonly number[], delaysMs: readonly number[]) => ({
  model: "repeat",
  id: "r",
  inputs: [
    tensor("IN", "INT32", [values.length], values),
    tensor("DELAY", "UINT32", [delaysMs.length], delaysMs),
    tensor("WAIT", "UINT32", [1], [0]),
  ],
});
const squared = (value: number) => ({ model: "square", id: "s", inputs: [tensor("IN", "INT32", [1], [value])] });
const said = ({ id, outputs }: InferResult) => [id, ...outputs.flatMap(({ name, data }) => [name, ...Array.from<unknown>(data)])];

describe.each(["HTTP", "gRPC"])("a model that answers often, to the package's client over %s", (protocol) => {
  const client = (): Client => (protocol === "HTTP" ? cluster.client : grpc);

  test("gives all its answers whole and in their order, or none", async () => {
    const values = Array.from({ length: 200 }, (_, place) => 1_000 - 7 * place);
    const delays = values.map((_, place) => (place % 50 === 49 ? 1 : 0));
    const answers = await Array.fromAsync(client().inferStream(repeated(values, delays)), said);
    expect(answers).toEqual(values.map((value, place) => ["r", "OUT", value, "IDX", place]));
    expect(await Array.fromAsync(client().inferStream(repeated([], [])))).toEqual([]);
  });

  test("fails after the answers before the failure", async () => {
    const stream = client().inferStream(squared(4))[Symbol.asyncIterator]();
    for (const _ of [1, 2]) expect(said((await stream.next()).value)).toEqual(["s", "OUT", 4]);
    await expect(stream.next()).rejects.toMatchObject({ code: "UNKNOWN", message: "simulated failure" });
  });

  test("stops when the signal aborts: the statistics count the answer that never came as canceled", async () => {
    const canceled = async () => (await cluster.statistics("repeat")).responseStats["2"]?.cancel.count ?? 0n;
    const before = await canceled();
    const controller = new AbortController();
    const answers: unknown[] = [];
    const reading = async () => {
      for await (const result of client().inferStream(repeated([5, 6, 7], [0, 0, 3_600_000]), { signal: controller.signal }))
        if (answers.push(said(result)) === 2) controller.abort("enough");
    };
    await expect(reading()).rejects.toMatchObject({ code: "CANCELLED", cause: "enough" });
    expect(answers).toEqual([
      ["r", "OUT", 5, "IDX", 0],
      ["r", "OUT", 6, "IDX", 1],
    ]);
    expect(await eventually(canceled, (count) => count > before)).toBe(before + 1n);
  });
});

test("a gRPC stream goes on after a failed answer, and says which is a request's last", async () => {
  await using stream = await grpc.openStream();
  await stream.send(squared(4));
  await stream.send(repeated([5], [0]));
  stream.end();
  const items = await Array.fromAsync(stream, (item) =>
    item.kind === "failure" ? [item.id, item.error.message] : [...said(item.result), item.result.isFinal],
  );
  const of = (id: string) => items.filter(([first]) => first === id);
  expect(of("r")).toEqual([
    ["r", "OUT", 5, "IDX", 0, false],
    ["r", true],
  ]);
  expect(of("s")).toEqual([
    ["s", "OUT", 4, false],
    ["s", "OUT", 4, false],
    ["s", "simulated failure"],
    ["s", true],
  ]);
});

describe("nereid bench on a model with sequences", () => {
  /** What the model and the server have had, after one more sequence of one step. */
  async function tally() {
    const inputs = [tensor("INPUT0", "INT32", [1, 1], [0])];
    const result = await cluster.client.infer({ model: "tally", inputs, sequence: { id: 9_999n, start: true, end: true } });
    const [steps = 0, starts = 0, ends = 0, ids = 0, sum = 0] = result.output("OUTPUT0").as("INT32");
    const { success } = (await cluster.statistics("tally")).inferenceStats;
    return { steps, starts, ends, ids, sum, served: Number(success.count) };
  }

  /** What the load alone has made of it. */
  async function loaded(flags: string) {
    const before = await tally();
    const { code, stdout, stderr } = await run([MAIN, "bench", "-m", "tally", ...flags.split(" ")]);
    expect(code, stderr).toBe(0);
    expect(stdout).not.toContain("Failed requests");
    const after = await tally();
    const more = (key: keyof typeof after) => after[key] - before[key];
    const own = 1; // the step that asks
    return {
      stdout,
      steps: more("steps") - own,
      starts: more("starts") - own,
      ends: more("ends") - own,
      ids: more("ids"),
      sum: more("sum"),
      served: more("served") - own,
    };
  }

  test("searches between concurrencies with whole sequences of given steps, as JSON", async () => {
    const file = path.join(repository.folder, "steps.json");
    writeFileSync(file, JSON.stringify({ data: [Array.from({ length: 3 }, () => ({ INPUT0: [7] }))] }));
    const search = "--concurrency-range 1:4 --binary-search -l 60000 --request-count 40";
    const json = `--input-data ${file} --input-tensor-format json --output-tensor-format json`;
    const { stdout, ...load } = await loaded(`-u ${new URL(cluster.url).host} ${search} ${json}`);
    const levels = [...stdout.matchAll(/^Request concurrency: (\d+)$/gm)].map(([, level]) => level);
    expect(levels, "the highest is fast enough").toEqual(["1", "4"]);
    const { steps, starts } = load;
    expect(load).toEqual({ steps, starts, ends: starts, ids: 4, sum: 7 * steps, served: steps });
    expect(steps).toBeGreaterThanOrEqual(80);
    expectLengths(load, { length: 3, cutMost: 5 });
  });

  test("keeps so many sequences at once at a rate, each as long as said, over gRPC", async () => {
    const sequences = "--sequence-length 5 --sequence-length-variation 0 --num-of-sequences 3 --sequence-id-range 100:103";
    const { steps, starts, ends, ids, served } = await loaded(
      `-u ${cluster.grpcAddress} -i grpc --streaming --request-rate-range 200 --request-count 60 ${sequences}`,
    );
    expect({ ends, ids, served }).toEqual({ ends: starts, ids: 3, served: steps });
    expect(steps).toBeGreaterThanOrEqual(60);
    expectLengths({ steps, starts }, { length: 5, cutMost: 3 });
  });

  /** All are of this length, but for those that the end of a level cuts short. */
  function expectLengths(
    { steps, starts }: { readonly steps: number; readonly starts: number },
    { length, cutMost }: { readonly length: number; readonly cutMost: number },
  ) {
    expect(starts).toBeGreaterThanOrEqual(steps / length);
    expect(starts).toBeLessThanOrEqual(steps / length + cutMost);
  }
});
