/** How many replicas flags ask for. */
import { expect, test } from "vitest";
import { replicaRange } from "../../../../cli/settings/replica-settings.ts";

test("without a maximum the number stays what it is; with one it follows the queue between the two", () => {
  expect(replicaRange({ replicasMin: 2, replicasMax: undefined })).toEqual({ copies: 2 });
  expect(replicaRange({ replicasMin: 1, replicasMax: 4 })).toEqual({ copies: 1, copiesMin: 1, copiesMax: 4 });
});

test("no more are asked for than there may be", () => {
  expect(() => replicaRange({ replicasMin: 3, replicasMax: 2 })).toThrow("--replicas-min 3 is above --replicas-max 2");
});
