/** Stores that are away and stores that come back with nothing: of all that gateways and agents share, at once. */
import type { FaultKind, FaultTools } from "./fault-kind.ts";

export function storeFaults({ cluster, dice, lasting }: FaultTools): readonly FaultKind[] {
  return [
    {
      weight: 2,
      begin: () => {
        cluster.setStoresAway(true);
        return lasting("the stores are away", dice.whole(50, 4_000), () => cluster.setStoresAway(false));
      },
    },
    {
      weight: 1,
      begin: () => {
        cluster.emptyStores();
        return "the stores are empty";
      },
    },
  ];
}
