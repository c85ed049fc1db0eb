/** What is wrong with warm-up samples, in Triton's words, as far as the configuration alone tells it. Pure. */
import type { ModelConfig } from "../../../../protos/gen/model_config_pb.ts";
import { dtypeOf } from "../data-type.ts";
import type { ConfigProblem } from "./problem.ts";

export function* warmupProblems({ modelWarmup }: ModelConfig): Generator<ConfigProblem> {
  for (const [index, { inputs }] of modelWarmup.entries()) {
    for (const [name, input] of Object.entries(inputs)) {
      const path = ["model_warmup", index, "inputs", name];
      if (dtypeOf(input.dataType) === undefined) {
        yield { message: `warmup input '${name}' must specify 'data_type'`, path, fix: "add data_type, such as TYPE_FP32" };
      } else if (input.dims.some((size) => size < 0n)) {
        const message = `warmup setting expects all variable-size dimensions are specified for input '${name}'`;
        yield { message, path: [...path, "dims"], fix: "write the sizes to warm up with" };
      } else if (input.inputDataType.case === undefined) {
        const message = `warmup setting expects input '${name}' to have input_data_type set`;
        yield { message, path, fix: "add zero_data: true, random_data: true or input_data_file" };
      }
    }
  }
}
