/**
 * From a model's folder and the configuration that is given for it to one that can be served. The draft needs no model file; it is
 * finished for each version with what that version's file says of itself. Pure.
 */
import { clone, create } from "@bufbuild/protobuf";
import { type ModelConfig, ModelConfigSchema, ModelTransactionPolicySchema } from "../../../protos/gen/model_config_pb.ts";
import type { ModelSignature } from "../../wire/model-runner.ts";
import type { ModelReference } from "../published-model.ts";
import { completeBackend } from "./backend-fields.ts";
import { builtInProblems, isBuiltInBackend } from "./built-in-backends.ts";
import { completeLanguage } from "./complete-language.ts";
import { type CompletedConfig, completeFromOnnx, DEFAULT_MAX_BATCH_SIZE } from "./complete-onnx.ts";
import type { ModelConfiguration } from "./configuration.ts";
import { composeEnsemble } from "./ensemble-models.ts";
import { LANGUAGE_BACKEND } from "./language-settings.ts";
import type { ModelFolder } from "./model-folder.ts";
import { normalizeConfig, normalizeInstanceGroups } from "./normalize.ts";
import { configProblems, instanceGroupProblems } from "./problems/config-problems.ts";
import { onnxProblems } from "./problems/onnx-problems.ts";
import type { ConfigProblem } from "./problems/problem.ts";
import { tensorProblems } from "./problems/tensor-problems.ts";
import { warmupProblems } from "./problems/warmup-problems.ts";
import { parseModelConfigJson } from "./text/parse-json.ts";
import { parseModelConfig } from "./text/parse-text.ts";
import type { TextPositions } from "./text/text-positions.ts";
import { toConfiguration, toVersionPolicy } from "./to-configuration.ts";
import { ensembleMembers } from "./to-scheduler.ts";
import { type ChosenVersions, chooseVersions, noVersionProblem, versionsOf } from "./version-policy.ts";

export type ConfigSource =
  | { readonly kind: "none" }
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  /** A client's, which replaces the file's. */
  | { readonly kind: "override"; readonly json: string };

export interface DraftConfig {
  /** As it was given. */
  readonly given: ModelConfig;
  /** With backend, version policy and scheduler defaults filled in. */
  readonly config: ModelConfig;
  readonly versions: ChosenVersions;
  /** As in ModelFolder. */
  readonly links: readonly string[] | undefined;
  /** Models that an ensemble is composed of, by step; of others none. */
  readonly members: readonly ModelReference[];
  /** Where the fields stand in the file; undefined: there is none. */
  readonly positions: TextPositions | undefined;
  readonly problems: readonly ConfigProblem[];
}

/** @throws ServingError INVALID_ARGUMENT when what is given cannot be read */
export function draftConfig(folder: ModelFolder, source: ConfigSource): DraftConfig {
  const { given, positions } = readSource(source);
  const completed = completeBackend(given, folder);
  const config = normalizeConfig(completed.config);
  const isEnsemble = config.schedulingChoice.case === "ensembleScheduling";
  const available = versionsOf(folder.files);
  // The version's folder of an ensemble is empty, as of a backend without files, and a list of files shows no empty folders.
  const needsNoFile = isEnsemble || isBuiltInBackend(config.backend);
  const versions = chooseVersions(toVersionPolicy(config), needsNoFile && available.length === 0 ? [1] : available);
  const problems = [...completed.problems];
  if (config.name !== folder.name) {
    const message = `unexpected directory name '${folder.name}' for model '${config.name}', directory name must equal model name`;
    problems.push({ message, path: ["name"], fix: `write name: "${folder.name}", or remove name` });
  }
  if (hasBackend(config)) problems.push(...configProblems(config));
  if (versions.served.length === 0) problems.push(noVersionProblem(folder));
  return { given, config, versions, links: folder.links, members: ensembleMembers(config), positions, problems };
}

/** Without one nothing else can be said. */
const hasBackend = ({ backend, platform }: ModelConfig): boolean => backend !== "" || platform !== "";

function readSource(source: ConfigSource): { readonly given: ModelConfig; readonly positions: TextPositions | undefined } {
  if (source.kind === "none") return { given: create(ModelConfigSchema), positions: undefined };
  if (source.kind === "override") return { given: parseModelConfigJson(source.json), positions: undefined };
  const { config, positions } = parseModelConfig(source.text, source.name);
  return { given: config, positions };
}

/** Whether the draft is finished with the signature of its model file. */
export const needsOnnxSignature = ({ config }: DraftConfig): boolean => config.backend === "onnxruntime";

export interface FinishOptions {
  /** What the version's model file says of itself; undefined for backends that say nothing. */
  readonly signature: ModelSignature | undefined;
  /** False: the configuration must be complete. */
  readonly autoComplete?: boolean;
  readonly defaultMaxBatchSize?: number;
  /** For ensembles: the models that are there, complete, by name; undefined: not looked at yet. */
  readonly composing?: ReadonlyMap<string, ModelConfiguration>;
}

export interface FinishedConfig {
  /** Complete as far as it goes; `configJson(config)` is what clients are told. */
  readonly config: ModelConfig;
  /** undefined when there are problems. */
  readonly configuration: ModelConfiguration | undefined;
  readonly problems: readonly ConfigProblem[];
}

/** Tells all problems that do not follow from others; the first is the one that Triton tells. */
export function finishConfig(draft: DraftConfig, options: FinishOptions): FinishedConfig {
  if (!hasBackend(draft.config)) return { config: draft.config, configuration: undefined, problems: draft.problems };
  const { signature } = options;
  const completed = completeConfig(draft.config, options);
  const config = normalizeInstanceGroups(normalizeConfig(completed.config));
  const problems = [...draft.problems, ...completed.problems];
  if (completed.problems.length === 0) {
    const ofTensors = [...tensorProblems(config)];
    const ofOthers = [...instanceGroupProblems(config), ...warmupProblems(config)];
    const ofFile = signature === undefined ? builtInProblems(config) : onnxProblems(config, signature);
    const ofModel = ofTensors.length > 0 ? [] : ofFile;
    problems.push(...newProblems(draft, configProblems(config)), ...ofTensors, ...ofOthers, ...ofModel);
  }
  if (problems.length > 0) return { config, configuration: undefined, problems };
  const configuration = toConfiguration(config);
  return options.composing === undefined ? { config, configuration, problems } : compose(config, configuration, options.composing);
}

function completeConfig(
  config: ModelConfig,
  { signature, autoComplete = true, defaultMaxBatchSize = DEFAULT_MAX_BATCH_SIZE }: FinishOptions,
): CompletedConfig {
  if (config.backend === LANGUAGE_BACKEND) return { config: completeLanguage(config), problems: [] };
  if (signature === undefined || !autoComplete) return { config, problems: [] };
  return completeFromOnnx(config, signature, { defaultMaxBatchSize });
}

/** What completing brought about, such as a preferred size above the maximum that was filled in. */
function newProblems({ problems }: DraftConfig, found: Iterable<ConfigProblem>): readonly ConfigProblem[] {
  const known = new Set(problems.map(({ message }) => message));
  return [...found].filter(({ message }) => !known.has(message));
}

/** An ensemble is decoupled when a step of it is, whatever its own configuration says. */
function compose(config: ModelConfig, configuration: ModelConfiguration, models: ReadonlyMap<string, ModelConfiguration>): FinishedConfig {
  if (configuration.scheduler.kind !== "ensemble") return { config, configuration, problems: [] };
  const { decoupled, problems } = composeEnsemble(configuration, configuration.scheduler, models);
  if (problems.length > 0) return { config, configuration: undefined, problems };
  const composed = clone(ModelConfigSchema, config);
  composed.modelTransactionPolicy = create(ModelTransactionPolicySchema, { decoupled });
  return { config: composed, configuration: { ...configuration, decoupled }, problems };
}
