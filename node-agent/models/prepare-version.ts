/** All of a version that can be known before a process opens it: what clients may know, its file, and whether its configuration holds. */
import { ServingError } from "../../core/errors.ts";
import { isBuiltInBackend } from "../../core/model/config/built-in-backends.ts";
import type { ModelConfiguration } from "../../core/model/config/configuration.ts";
import { needsOnnxSignature } from "../../core/model/config/prepare.ts";
import { problemError } from "../../core/model/config/problems/problem.ts";
import { backendProblem } from "../../core/model/config/served-backends.ts";
import { configJson } from "../../core/model/config/text/config-json.ts";
import type { PublishedModel } from "../../core/model/published-model.ts";
import { checkExternalData } from "../../core/repository/external-data.ts";
import { modelFile, type ReadConfig } from "../../core/repository/model-config.ts";
import type { FileInfo, ModelFiles } from "../../core/repository/repository.ts";
import { publishedView } from "./published-view.ts";

export interface PreparedVersion {
  readonly configuration: ModelConfiguration;
  readonly published: PublishedModel;
  /** undefined: it has no file of its own, as an ensemble. */
  readonly file: FileInfo | undefined;
}

/**
 * @param kept whether the states of its sequences survive their node
 * @throws ServingError the first thing that is wrong, as a load tells it
 */
export async function prepareVersion(
  files: ModelFiles,
  { draft, versions }: Pick<ReadConfig, "draft" | "versions">,
  { version, kept }: { readonly version: string; readonly kept: (configuration: ModelConfiguration) => boolean },
): Promise<PreparedVersion> {
  const { config } = draft;
  const list = await files.list();
  const finished = versions.get(Number(version));
  const unserved = backendProblem(
    config,
    list.map(({ name }) => name),
  );
  const [problem] = [...draft.problems, unserved, ...(finished?.problems ?? [])].filter((one) => one !== undefined);
  if (problem !== undefined) throw problemError(problem);
  const configuration = finished?.configuration;
  if (finished === undefined || configuration === undefined) {
    throw new ServingError("NOT_FOUND", `version ${version} of model '${config.name}' is not in the repository`);
  }
  const view = { version, configJson: configJson(finished.config), files, kept: kept(configuration) };
  const published = await publishedView(configuration, view);
  if (configuration.scheduler.kind === "ensemble" || isBuiltInBackend(configuration.backend))
    return { configuration, published, file: undefined };
  const file = modelFile(draft, Number(version), list);
  if (needsOnnxSignature(draft)) await checkExternalData(files, file);
  return { configuration, published, file };
}
