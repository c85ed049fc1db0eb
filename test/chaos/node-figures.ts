/** A metric of a gateway that has a value for each node. */
import type { GatewayProcess } from "../support/process-cluster.ts";

/** By node; 0 is left out. */
export async function nodeFigures({ process }: GatewayProcess, metric: string): Promise<ReadonlyMap<string, number>> {
  const url = /metrics: (\S+)/.exec(await process.printed("metrics: "))?.[1] ?? "";
  const text = await (await fetch(`${url}/metrics`)).text();
  const figures = new Map<string, number>();
  for (const [, labels = "", value] of text.matchAll(new RegExp(`^${metric}\\{([^}]*)\\} (\\S+)$`, "gm"))) {
    const node = /node="([^"]*)"/.exec(labels)?.[1] ?? "";
    if (Number(value) > 0) figures.set(node, (figures.get(node) ?? 0) + Number(value));
  }
  return figures;
}
