/** What a balancer does: looks twice a second which gateways are ready, and sends clients to those. */
import { isReady } from "../support/process-cluster.ts";
import type { ChaosCluster } from "./chaos-cluster.ts";
import { passing } from "./passing.ts";
import type { Where } from "./questions.ts";

const LOOK_MS = 500;

export interface ReadyGateways {
  readonly where: Where;
  end(): Promise<void>;
}

export async function watchGateways(cluster: ChaosCluster): Promise<ReadyGateways> {
  let ready = await cluster.urls();
  let over = false;
  const look = async () => {
    while (!over) {
      const urls = await cluster.urls();
      const found = await Promise.all(urls.map((url) => isReady(url).catch(() => false)));
      ready = urls.filter((_, index) => found[index]);
      await passing(LOOK_MS);
    }
  };
  const looking = look();
  return {
    where: (client) => ready[client % ready.length] ?? "http://no-gateway-is-ready.invalid",
    end: async () => {
      over = true;
      await looking;
    },
  };
}
