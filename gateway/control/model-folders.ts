/** What placement must know of the models in the repository before an agent opens them: which versions, from which files. */
import type { ModelName } from "../../core/ids.ts";
import type { ModelReference } from "../../core/model/published-model.ts";
import type { LoadPlan } from "../placement/wanted-transitions.ts";
import type { LoadOverrides } from "../serving/model-catalog.ts";

export interface ModelFolders {
  /** Models of the repositories, sorted. */
  names(): Promise<readonly string[]>;
  /** Those that several repositories have: none of them can be loaded. */
  ambiguous(): Promise<readonly string[]>;
  /**
   * @param before the load that serves: its configuration stays, as in Triton, until the model's own file changes or another is given
   * @throws ServingError NOT_FOUND without such a model, INVALID_ARGUMENT when its configuration is wrong
   */
  plan(model: ModelName, overrides: LoadOverrides, before?: LoadPlan): Promise<FolderPlan>;
}

export interface FolderPlan extends LoadPlan {
  /** Models that an ensemble calls: they are to be loaded first. */
  readonly calls?: readonly ModelReference[];
}
