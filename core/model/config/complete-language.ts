/** Completes the configuration of a language model: all of them have the same inputs and outputs. Pure. */
import { clone } from "@bufbuild/protobuf";
import { type ModelConfig, ModelConfigSchema } from "../../../protos/gen/model_config_pb.ts";
import { languageConfig } from "../language-signature.ts";
import { parseModelConfigJson } from "./text/parse-json.ts";

/** A copy with the inputs and outputs that clients are told, whatever is given. */
export function completeLanguage(given: ModelConfig): ModelConfig {
  const { maxBatchSize, input, output, modelTransactionPolicy } = parseModelConfigJson(JSON.stringify(languageConfig(given.name)));
  return { ...clone(ModelConfigSchema, given), maxBatchSize, input, output, ...(modelTransactionPolicy && { modelTransactionPolicy }) };
}
