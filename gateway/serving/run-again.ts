/** Requests that a node had taken when it was lost: nobody knows whether they ran. Those that do nothing but compute run once more. Pure. */
import { LINK_LOST, ServingError } from "../../core/errors.ts";
import type { PublishedModel } from "../../core/model/published-model.ts";
import type { FindModel } from "./output-labels.ts";

/** One request that ends the nodes that run it ends no third one. */
export const RUNS_MAX = 2;

export const isLost = (thrown: unknown): boolean => thrown instanceof ServingError && thrown.reason === LINK_LOST;

/** Whether the model, or one that it calls, runs each request once or keeps sequences. @param find finds no language models: they do neither */
export function runsOnceInAll({ runsOnce, sequences, members = [] }: PublishedModel, find: FindModel): boolean {
  if (runsOnce === true || sequences !== undefined) return true;
  const called = members.map(({ model, version }) => find(model, version)).filter((model) => model !== undefined);
  return called.some((model) => runsOnceInAll(model, find));
}
