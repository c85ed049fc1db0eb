/** What `nereid status` prints: nodes with what is on them, and models with where they are. Pure. */
import { labelsText } from "../../core/node-labels.ts";
import type { ConsoleState } from "../../gateway/console/state.ts";

type Node = ConsoleState["nodes"][number];
type Model = ConsoleState["models"][number];

/** Lines without colors, each ended by a line feed. */
export function statusReport({ models, nodes, unplaced }: ConsoleState): string {
  const nodeRows = nodes.map((node) => [
    node.node,
    node.state,
    memory(node),
    labelsText(node.labels) || "none",
    hosted(node, models).join(", ") || "nothing",
  ]);
  const languageRows = models.map((model) => [model.name, model.version, said(model), places(model)]);
  const wholeRows = nodes.flatMap(({ node, models: whole }) => whole.map(({ model, version, state }) => [model, version, state, node]));
  const unplacedRows = unplaced.map(({ model, version, reason }) => [model, version, `loading: ${reason}`, ""]);
  return [
    table(["node", "state", "memory free", "labels", "what is there"], nodeRows, "no node has reported yet"),
    table(["model", "version", "state", "where"], [...languageRows, ...wholeRows, ...unplacedRows], "no models"),
  ].join("\n");
}

const GIB = 2 ** 30;
const memory = ({ memoryFreeBytes, memoryTotalBytes }: Node): string =>
  `${(memoryFreeBytes / GIB).toFixed(1)} of ${(memoryTotalBytes / GIB).toFixed(1)} GiB`;

function hosted({ node, models: whole }: Node, models: readonly Model[]): readonly string[] {
  const stages = models.flatMap(({ name, shards }) =>
    shards.filter((shard) => shard.node === node).map(({ stage, stages }) => `${name} stage ${stage + 1} of ${stages}`),
  );
  return [...stages, ...whole.map(({ model, version }) => `${model} version ${version}`)];
}

const said = ({ state, detail }: Model): string => (detail === "" ? state : `${state}: ${detail}`);

const places = ({ shards }: Model): string =>
  shards.map(({ node, firstLayer, endLayer, state }) => `${node} (layers ${firstLayer} to ${endLayer - 1}, ${state})`).join(", ");

function table(head: readonly string[], rows: readonly (readonly string[])[], nothing: string): string {
  if (rows.length === 0) return `${nothing}\n`;
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}
