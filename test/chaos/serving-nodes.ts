/** Which nodes serve, as a gateway sees it. */

interface ConsoleState {
  readonly models: readonly { readonly shards: readonly { readonly node: string; readonly state: string }[] }[];
  readonly nodes: readonly { readonly node: string; readonly models: readonly unknown[] }[];
}

/** Nodes with a stage that is open, or with a whole model, by name. */
export async function servingNodes(url: string): Promise<readonly string[]> {
  const state: ConsoleState = JSON.parse(await (await fetch(`${url}/console/state`)).text());
  const stages = state.models.flatMap(({ shards }) => shards.filter(({ state }) => state === "open").map(({ node }) => node));
  const whole = state.nodes.filter(({ models }) => models.length > 0).map(({ node }) => node);
  return [...new Set([...stages, ...whole])].toSorted();
}
