/** Python models in `nereid up`: what their processes do through the agent. Their traps are in test/protocol/traps-python.test.ts. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { tensor } from "../../../client/tensor-input.ts";
import { CALLS, COUNT, COUNTED, DOUBLE, DOUBLE_PY, SAYS_ITSELF, SUMS } from "../../models/python-models.ts";
import { pythonWithPackages } from "../../support/python.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  repository
    .put("double", { ...DOUBLE, "1/double.py": DOUBLE_PY })
    .put("count", { ...COUNT })
    .put("calls", { ...CALLS });
  repository
    .put("says-itself", { ...SAYS_ITSELF })
    .put("sums", { ...SUMS })
    .put("counted", { ...COUNTED });
  repository.put("broken", { ...DOUBLE }).put("packed", { ...DOUBLE, "config.pbtxt": `${DOUBLE["config.pbtxt"]} ${ENVIRONMENT}` });
  const flags = { "--nodes": "2", "--model-control-mode": "explicit", "--load-model": "double;count;calls;says-itself;sums;counted" };
  cluster = await startModelCluster(repository.folder, { ...flags, "--python": await pythonWithPackages() });
});

afterAll(async () => {
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

test("a model that completes its configuration itself is served as that says", async () => {
  const config = await (await fetch(`${cluster.url}/v2/models/says-itself/config`)).json();
  expect(config).toMatchObject({ max_batch_size: 4, input: [{ name: "INPUT0", data_type: "TYPE_STRING", dims: [-1] }] });
  const inputs = [tensor("INPUT0", "BYTES", [1, 3], ["a", "bc", ""])];
  const result = await cluster.client.infer({ model: "says-itself", inputs });
  expect(result.output("OUTPUT0").strings()).toEqual(["", "bc", "a"]);
});

test("a model with sequences gets each row as a request, with its controls", async () => {
  const step = async (id: bigint, value: number, flags: { readonly start?: boolean; readonly end?: boolean } = {}) => {
    const inputs = [tensor("INPUT0", "INT32", [1, 1], [value])];
    const result = await cluster.client.infer({ model: "sums", inputs, sequence: { id, ...flags } });
    return [...result.output("OUTPUT0").as("INT32")][0];
  };
  expect(await Promise.all([step(1n, 1, { start: true }), step(2n, 10, { start: true })])).toEqual([1, 10]);
  expect(await step(2n, 20)).toBe(30); // row 0 has no request meanwhile
  expect(await Promise.all([step(1n, 2, { end: true }), step(2n, 30, { end: true })])).toEqual([3, 60]);
});

test("a model is warm before it serves, and its answers have the parameters that it gives them", async () => {
  const result = await cluster.client.infer({ model: "counted", inputs: [tensor("INPUT0", "INT32", [1], [0])] });
  expect([...result.output("OUTPUT0").as("INT32")]).toEqual([3]);
  const { parameters } = result;
  expect([Number(parameters.get("had")), parameters.get("kind"), parameters.get("sure")]).toEqual([3, "counted", true]);
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
