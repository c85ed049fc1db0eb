/** Triton's subtle behaviors of Python models (test/golden/traps.md), against `nereid up` with real processes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { tensor } from "../../client/tensor-input.ts";
import { type ModelCluster, startModelCluster } from "../cluster/whole-models/model-cluster.ts";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { pythonWithPackages } from "../support/python.ts";

const MOODY = `
import os
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        if any((one < 0).any() for one in inputs):
            raise ValueError("too cold")
        if any((one == 99).any() for one in inputs):
            os._exit(3)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", one * 2)]) for one in inputs]
`;
const MOODY_CONFIG = `
backend: "python" max_batch_size: 2
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 2 ] max_queue_delay_microseconds: 60000000 }
`;

/** Answers with what it is told of the request: itself by the sender, where the input is true. */
const TELLS = `
import json
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        said = [request.parameters(), request.correlation_id(), request.request_id()]
        text = json.dumps([[type(one).__name__, one] for one in said])
        response = pb_utils.InferenceResponse([pb_utils.Tensor("SAID", np.array([text.encode()], dtype=np.object_))])
        if not pb_utils.get_input_tensor_by_name(request, "SENDS").as_numpy()[0]:
            return response
        request.get_response_sender().send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return None
`;
const TELLS_CONFIG = `
backend: "python"
input [ { name: "SENDS" data_type: TYPE_BOOL dims: [ 1 ] } ]
output [ { name: "SAID" data_type: TYPE_STRING dims: [ 1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
`;

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  repository.put("moody", { "1/model.py": MOODY, "config.pbtxt": MOODY_CONFIG });
  repository.put("tells", { "1/model.py": TELLS, "config.pbtxt": TELLS_CONFIG });
  cluster = await startModelCluster(repository.folder, { "--nodes": "1", "--python": await pythonWithPackages() });
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** Requests that make a batch. @returns what became of each */
const batch = (...values: readonly number[]) =>
  Promise.all(
    values.map((value) =>
      cluster.client.infer({ model: "moody", inputs: [tensor("INPUT0", "INT32", [1, 1], [value])] }).then(
        (result) => [...result.output("OUTPUT0").as("INT32")][0],
        (error: Error) => error.message,
      ),
    ),
  );

test("One exception in `execute` → fails every request of that batch, none of the next; `os._exit` in a model → the server survives and restarts the process.", async () => {
  const raised = expect.stringMatching(/^Failed to process the request\(s\) for model 'moody_0_0', message: ValueError: too cold\n\nAt:\n/);
  expect(await batch(1, -1)).toEqual([raised, raised]);
  expect(await batch(1, 2)).toEqual([2, 4]);
  const before = cluster.runnerPids();
  const died = expect.stringContaining("Stub process 'moody_0_0' is not healthy.");
  expect(await batch(99, 3)).toEqual([died, died]);
  expect(await batch(3, 4)).toEqual([6, 8]);
  const after = cluster.runnerPids();
  expect([before.length, after.filter((pid) => before.includes(pid)).length]).toEqual([2, 1]);
});

test("`request.parameters()` → a JSON string; `correlation_id()` → int or str as sent; None in the response list → the sender has answered.", async () => {
  const said = async (sends: boolean, id: string | bigint, parameters: Readonly<Record<string, string | number>> = {}) => {
    const inputs = [tensor("SENDS", "BOOL", [1], [sends])];
    const result = await cluster.client.infer({ model: "tells", id: "mine", inputs, parameters, sequence: { id } });
    return JSON.parse(result.output("SAID").strings()[0] ?? "");
  };
  expect(await said(false, 7n, { color: "red", size: 3 })).toEqual([
    ["str", '{"color":"red","size":3}'],
    ["int", 7],
    ["str", "mine"],
  ]);
  expect(await said(true, "seven")).toEqual([
    ["str", "{}"],
    ["str", "seven"],
    ["str", "mine"],
  ]);
});
