/** Settings of how many replicas of the language model that a command serves there are. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { CopiesRange } from "../../core/model/config/language-settings.ts";
import { optional, type SettingsOf, setting, wholeNumber } from "../../core/settings.ts";

export const REPLICA_SETTINGS = {
  replicasMin: setting({
    kind: wholeNumber(1, 64),
    fallback: 1,
    help: "replicas of --model; those of the repository say so in config.pbtxt (min_replicas)",
  }),
  replicasMax: setting({
    kind: optional(wholeNumber(1, 64)),
    fallback: undefined,
    fallbackText: "none, there are as many as --replicas-min",
    help: "replicas that there may be of it while requests wait too long (max_replicas)",
  }),
};

/** @throws ServingError INVALID_ARGUMENT when there must be more than there may */
export function replicaRange({ replicasMin, replicasMax }: SettingsOf<typeof REPLICA_SETTINGS>): CopiesRange {
  if (replicasMax === undefined) return { copies: replicasMin };
  if (replicasMin <= replicasMax) return { copies: replicasMin, copiesMin: replicasMin, copiesMax: replicasMax };
  throw new ServingError(
    "INVALID_ARGUMENT",
    `--replicas-min ${replicasMin} is above --replicas-max ${replicasMax}: give no more than that`,
  );
}
