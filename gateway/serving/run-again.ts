/** Requests that a node had taken when it was lost: nobody knows whether they ran. Those that do nothing but compute run once more. Pure. */
import { LINK_LOST, ServingError } from "../../core/errors.ts";
import type { ModelCatalog, ModelView } from "./model-catalog.ts";

/** One request that ends the nodes that run it ends no third one. */
export const RUNS_MAX = 2;

export const isLost = (thrown: unknown): boolean => thrown instanceof ServingError && thrown.reason === LINK_LOST;

/** Neither the model nor any that it calls keeps sequences or runs each request once. @throws ServingError when one of them does not serve */
export function mayRunAgain({ runsOnce, sequences, members = [] }: ModelView, catalog: Pick<ModelCatalog, "view">): boolean {
  if (runsOnce === true || sequences !== undefined) return false;
  return members.every(({ model, version }) => mayRunAgain(catalog.view(model, version), catalog));
}
