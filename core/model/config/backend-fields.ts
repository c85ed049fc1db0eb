/** Fills in name, backend, platform and model file of a configuration from what lies in the model's folder. Pure. */
import { clone } from "@bufbuild/protobuf";
import { type ModelConfig, ModelConfigSchema } from "../../../protos/gen/model_config_pb.ts";
import { LANGUAGE_BACKEND } from "./language-settings.ts";
import type { ModelFolder } from "./model-folder.ts";
import { backendFix, linkNote } from "./problems/layout-fixes.ts";
import type { ConfigProblem } from "./problems/problem.ts";
import { versionsOf } from "./version-policy.ts";

interface Backend {
  readonly name: string;
  /** Its platform; undefined: it has none. */
  readonly platform: string | undefined;
  /** What its model is called in a version's folder. */
  readonly file: string;
}

/** The first whose platform or file fits is taken. */
const BACKENDS: readonly Backend[] = [
  { name: "tensorrt", platform: "tensorrt_plan", file: "model.plan" },
  { name: "onnxruntime", platform: "onnxruntime_onnx", file: "model.onnx" },
  { name: "openvino", platform: undefined, file: "model.xml" },
  { name: "pytorch", platform: "pytorch_libtorch", file: "model.pt" },
  { name: "torch_aoti", platform: "torch_aoti", file: "model.pt2" },
  { name: "python", platform: undefined, file: "model.py" },
  { name: LANGUAGE_BACKEND, platform: undefined, file: "model.gguf" },
];

export const ENSEMBLE_PLATFORM = "ensemble";

/** A copy with what could be filled in, and the problem when no backend could be found. */
export function completeBackend(
  given: ModelConfig,
  folder: ModelFolder,
): { readonly config: ModelConfig; readonly problems: readonly ConfigProblem[] } {
  const config = clone(ModelConfigSchema, given);
  if (config.name === "") config.name = folder.name;
  const files = firstVersionFiles(folder.files);
  for (const backend of BACKENDS) {
    if (config.backend === "" && fits(backend, config, files)) config.backend = backend.name;
    if (config.backend !== backend.name) continue;
    if (config.platform === "") config.platform = backend.platform ?? "";
    if (config.defaultModelFilename === "") config.defaultModelFilename = backend.file;
    return { config, problems: [] };
  }
  if (config.backend !== "" || config.platform !== "" || config.defaultModelFilename !== "") return { config, problems: [] };
  return namedBackend(config, folder);
}

function fits({ name, platform, file }: Backend, config: ModelConfig, files: ReadonlySet<string>): boolean {
  if (platform !== undefined && config.platform === platform) return true;
  if (config.defaultModelFilename !== "") return config.defaultModelFilename === file;
  return config.platform === "" && (files.has(file) || (name === LANGUAGE_BACKEND && hasCheckpoint(files)));
}

/** A GGUF file of any name, or a Hugging Face folder. */
const hasCheckpoint = (files: ReadonlySet<string>): boolean =>
  files.has("config.json") || [...files].some((file) => file.endsWith(".gguf"));

/** `model.identity` names the backend `identity`: all that is left when nothing else does. */
function namedBackend(config: ModelConfig, folder: ModelFolder): ReturnType<typeof completeBackend> {
  const { name } = folder;
  const dot = name.indexOf(".");
  if (dot === -1) {
    const message = `Invalid model name: Could not determine backend for model '${name}' with no backend in model configuration. Expected model name of the form 'model.<backend_name>'.${linkNote(folder)}`;
    return {
      config,
      problems: [{ message, path: [], fix: backendFix(folder) }],
    };
  }
  config.backend = name.slice(dot + 1);
  config.defaultModelFilename = `model.${config.backend}`;
  return { config, problems: [] };
}

/** What lies in the first version's folder, files and folders. */
function firstVersionFiles(files: readonly string[]): ReadonlySet<string> {
  const versions = versionsOf(files).map(String).sort();
  const prefix = `${versions[0] ?? ""}/`;
  return new Set(files.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).split("/", 1)[0] ?? ""));
}
