/** Settings of which models of the repository are served, with Triton's names and defaults. Pure. */
import type { ConfigReading } from "../core/repository/model-sources.ts";
import { manyOf, oneOf, optional, type SettingKind, type SettingsOf, setting, text, wholeNumber, yesNo } from "../core/settings.ts";

export const REPOSITORY_SETTINGS = {
  modelControlMode: setting<"none" | "poll" | "explicit" | "on-demand">({
    kind: oneOf(["none", "poll", "explicit", "on-demand"]),
    fallback: "none",
    help: "none serves all that the repository has, poll also what changes in it later, explicit what clients load, on-demand also what requests ask for",
  }),
  repositoryPollSecs: setting({
    kind: wholeNumber(1, 86_400),
    fallback: 15,
    unit: "s",
    help: "with poll: how often the repository is looked at",
  }),
  loadModel: setting<readonly string[]>({
    kind: manyOf(text("a model name, or * for all")),
    fallback: [],
    help: "with explicit and on-demand: what is loaded at the start",
  }),
};

const DEFAULT_BATCH_SIZE = /^(?:onnxruntime)?,default-max-batch-size=(\d{1,6})$/;

const defaultBatchSize: SettingKind<number> = {
  allowed: "onnxruntime,default-max-batch-size=N; what else backends take stands in each model's parameters",
  parse: (value) => {
    const [, size] = DEFAULT_BATCH_SIZE.exec(value) ?? [];
    return size === undefined ? undefined : Number(size);
  },
};

/** Where models lie and how their configurations are read: the same for gateways and agents. */
export const SOURCE_SETTINGS = {
  models: setting({
    kind: optional(manyOf(text("a folder"))),
    fallback: undefined,
    fallbackText: "models, in the cache",
    aliases: ["modelRepository", "modelStore"],
    help: "the model repository, with NAME/1/model.gguf in it; may be repeated",
  }),
  modelConfigName: setting({
    kind: optional(text("a name")),
    fallback: undefined,
    help: "take configs/NAME.pbtxt of the models that have it instead of config.pbtxt",
  }),
  backendConfig: setting({
    kind: optional(defaultBatchSize),
    fallback: undefined,
    fallbackText: "onnxruntime,default-max-batch-size=4",
    help: "the batch size that ONNX models get whose configuration has none and whose tensors allow it",
  }),
};

type SourceSettings = Pick<SettingsOf<typeof SOURCE_SETTINGS>, "modelConfigName" | "backendConfig">;

export function configReading({ modelConfigName, backendConfig }: SourceSettings): ConfigReading {
  return {
    ...(modelConfigName !== undefined && { configName: modelConfigName }),
    ...(backendConfig !== undefined && { defaultMaxBatchSize: backendConfig }),
  };
}

export const strictReadiness = setting({
  kind: yesNo(),
  fallback: true,
  help: "the server is ready only while all its models are",
});

export const exitOnError = setting({
  kind: yesNo(),
  fallback: true,
  help: "end when a model that is to be served from the start cannot be loaded",
});
