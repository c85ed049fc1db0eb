/** What placement must know of the models in the repository before an agent opens them: which versions, from which files. */
import type { ModelName } from "../../core/ids.ts";
import type { LoadOverrides } from "../serving/model-catalog.ts";

/** A load that can be placed. */
export interface PlannedModel {
  /** Under the version policy, at least one. */
  readonly versions: readonly string[];
  /** As in DesiredModel. */
  readonly source: string;
  readonly config: string;
  /** Equal for loads that would give the same: files and configuration have not changed. */
  readonly fingerprint: string;
}

export interface ModelFolders {
  /** Whole models of the repository, sorted. */
  names(): Promise<readonly string[]>;
  /** @throws ServingError NOT_FOUND without such a model, INVALID_ARGUMENT when its configuration is wrong. */
  plan(model: ModelName, overrides: LoadOverrides): Promise<PlannedModel>;
}
