/** Stateful models over the doors, with real processes: controls, implicit state, and Triton's texts. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HttpClient } from "../../../client/http/http-client.ts";
import { tensor } from "../../../client/tensor-input.ts";
import { accumulate } from "../../models/small-models.ts";
import { type ModelCluster, startModelCluster } from "./model-cluster.ts";
import { ModelRepository } from "./model-repository.ts";

const CONTROLS = `control_input [
  { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } ] },
  { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY int32_false_true: [0, 1] } ] },
  { name: "END" control [ { kind: CONTROL_SEQUENCE_END int32_false_true: [0, 10] } ] },
  { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] } ]
  state [ { input_name: "INPUT_STATE" output_name: "OUTPUT_STATE" data_type: TYPE_INT32 dims: [1]
    initial_state: { name: "zeros" data_type: TYPE_INT32 dims: [1] zero_data: true } } ]`;
const ONE_INSTANCE = "instance_group { count: 1 kind: KIND_CPU }";

const repository = new ModelRepository();
let cluster: ModelCluster;

beforeAll(async () => {
  for (const strategy of ["direct { }", "oldest { max_candidate_sequences: 4 }"]) {
    const [name = ""] = strategy.split(" ");
    repository.put(name, {
      "1/model.onnx": accumulate(),
      "config.pbtxt": `max_batch_size: 4 ${ONE_INSTANCE} sequence_batching { ${strategy} ${CONTROLS} }`,
    });
  }
  cluster = await startModelCluster(repository.folder);
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

describe.each(["direct", "oldest"])("with the %s strategy", (model) => {
  const step = async (
    client: HttpClient,
    id: bigint | string,
    value: number,
    flags: { readonly start?: boolean; readonly end?: boolean } = {},
  ) => {
    const { outputs } = await client.infer({
      model,
      inputs: [tensor("INPUT", "INT32", [1, 1], [value])],
      sequence: { id, ...flags },
    });
    return Object.fromEntries(outputs.map(({ name, data }) => [name, Number(Array.from<unknown>(data)[0])]));
  };

  test("adds up", async () => {
    expect(await step(cluster.client, 7n, 5, { start: true })).toEqual({ OUTPUT: 5, CONTROLS: 1, CORRID_SEEN: 7 });
    expect(await step(cluster.client, 7n, 6)).toEqual({ OUTPUT: 11, CONTROLS: 1, CORRID_SEEN: 7 });
    expect(await step(cluster.client, 7n, 1, { end: true })).toEqual({ OUTPUT: 12, CONTROLS: 11, CORRID_SEEN: 7 });
  });
});
