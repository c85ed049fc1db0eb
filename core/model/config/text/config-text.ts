/** A configuration as config.pbtxt has it, for people. Pure. */
import { toText } from "@bufbuild/protobuf/txtpb";
import { type ModelConfig, ModelConfigSchema } from "../../../../protos/gen/model_config_pb.ts";

export const configText = (config: ModelConfig): string => toText(ModelConfigSchema, config).trimEnd();

export interface ConfigTextPart {
  /** A field of the configuration with all that it holds, over several lines. */
  readonly text: string;
  /** Filled in or completed: not as it was given. */
  readonly isNew: boolean;
}

/** A complete configuration field by field, with what was not in the one that was given. */
export function completedText(given: ModelConfig, complete: ModelConfig): readonly ConfigTextPart[] {
  const before = fieldTexts(given);
  return fieldTexts(complete).map((text) => ({ text, isNew: !before.includes(text) }));
}

const fieldTexts = (config: ModelConfig): readonly string[] => configText(config).split(/\n(?=\S)(?!\})/);
