/** Settings of which models of the repository are served, with Triton's names and defaults. Pure. */
import type { ConfigReading } from "../../core/repository/model-sources.ts";
import {
  byteSize,
  manyOf,
  oneOf,
  optional,
  type SettingKind,
  type SettingsOf,
  setting,
  text,
  wholeNumber,
  yesNo,
} from "../../core/settings.ts";

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

/** What is set for all models of ONNX Runtime; nothing: the entry is for a backend or a pool that is not here. */
export interface BackendEntry {
  readonly defaultMaxBatchSize?: number;
  /** A parameter of models whose configuration does not set it. */
  readonly parameter?: readonly [name: string, value: string];
}

const backendEntry: SettingKind<BackendEntry> = {
  allowed: "BACKEND,KEY=VALUE; of onnxruntime default-max-batch-size, intra_op_thread_count and inter_op_thread_count",
  parse: (value) => {
    const [, backend, key = "", text = ""] = /^([a-z0-9_]*),([a-zA-Z0-9_.-]+)=(.*)$/.exec(value) ?? [];
    if (backend === undefined) return undefined;
    const isNumber = /^\d{1,6}$/.test(text);
    if (key === "default-max-batch-size" && ["", "onnxruntime"].includes(backend))
      return isNumber ? { defaultMaxBatchSize: Number(text) } : undefined;
    if (backend !== "onnxruntime" || key === "enable-global-threadpool") return {};
    return ["intra_op_thread_count", "inter_op_thread_count"].includes(key) && isNumber ? { parameter: [key, text] } : undefined;
  },
};

const folder: SettingKind<string> = {
  allowed: "a folder (object stores such as s3:// are not read: mount or copy them)",
  parse: (value) => (value === "" || /^[a-z0-9]+:\/\//i.test(value) ? undefined : value),
};

/** Where models lie and how their configurations are read: the same for gateways and agents. */
export const fetchedBytes = setting({
  kind: byteSize(),
  fallback: 20 * 2 ** 30,
  help: "files in the cache of models that other nodes have; beyond it those go that were not used for longest, and never what is in use",
});

export const SOURCE_SETTINGS = {
  models: setting({
    kind: optional(manyOf(folder)),
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
    kind: manyOf(backendEntry),
    fallback: [],
    fallbackText: "onnxruntime,default-max-batch-size=4",
    help: "for ONNX models whose configuration does not say: the batch size where the tensors allow one, the threads; entries for other backends change nothing",
  }),
};

type SourceSettings = Pick<SettingsOf<typeof SOURCE_SETTINGS>, "modelConfigName" | "backendConfig">;

export function configReading({ modelConfigName, backendConfig }: SourceSettings): ConfigReading {
  const size = backendConfig.findLast(({ defaultMaxBatchSize }) => defaultMaxBatchSize !== undefined)?.defaultMaxBatchSize;
  return {
    ...(modelConfigName !== undefined && { configName: modelConfigName }),
    ...(size !== undefined && { defaultMaxBatchSize: size }),
    parameters: new Map(backendConfig.flatMap(({ parameter }) => (parameter === undefined ? [] : [parameter]))),
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
