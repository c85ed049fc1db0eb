/** A configuration as config.pbtxt has it, for people. Pure. */
import { toText } from "@bufbuild/protobuf/txtpb";
import { type ModelConfig, ModelConfigSchema } from "../../../protos/gen/model_config_pb.ts";

export const configText = (config: ModelConfig): string => toText(ModelConfigSchema, config).trimEnd();
