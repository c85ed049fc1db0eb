/** What a started cluster says of itself: addresses, model, which layers are where, and one line to copy. Pure. */
import type { OpenDoors } from "../gateway/doors.ts";
import type { ServedModel } from "../gateway/serving/generation/text-generation.ts";

export interface BannerFacts extends OpenDoors {
  /** The language model, if there is one. */
  readonly model: ServedModel | undefined;
  /** Names of whole models that are ready. */
  readonly wholeModels: readonly string[];
  readonly startedInMs: number;
}

/** Lines without colors, each ended by a line feed. */
export function banner(facts: BannerFacts): string {
  const { model, httpAddress: http, grpcAddress: grpc, metricsAddress: metrics } = facts;
  const rows: readonly (readonly [string, string])[] = [
    ...row("HTTP", http && `${http}  (OpenAI: /v1, Triton: /v2)`),
    ...row("gRPC", grpc && `${grpc}  (Triton)`),
    ...row("metrics", metrics && `${metrics}/metrics`),
    ...(model === undefined ? [] : languageRows(model)),
    ...row("models", facts.wholeModels.join(", ")),
    ...row("try", http && (model === undefined ? `curl ${http}/v2` : chatCommand(http, model.name))),
    ["stop", "Ctrl-C"],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`);
  return ["", `Nereid is ready after ${(facts.startedInMs / 1000).toFixed(1)} s`, "", ...lines, "", ""].join("\n");
}

/** No row where there is nothing to say. */
function row(label: string, text: string | undefined): readonly (readonly [string, string])[] {
  return text === undefined || text === "" ? [] : [[label, text]];
}

function languageRows(model: ServedModel): readonly (readonly [string, string])[] {
  const context = model.contextLength === undefined ? "" : `, context ${model.contextLength} tokens`;
  return [["model", `${model.name} version ${model.version} (${model.quantization}${context})`], ...layerRows(model)];
}

/** A row for each node, in the order of the layers. */
function layerRows(model: ServedModel): readonly (readonly [string, string])[] {
  const byNode = new Map<string, string[]>();
  for (const shard of model.shards.toSorted((a, b) => a.firstLayer - b.firstLayer)) {
    const layers = `layers ${shard.firstLayer} to ${shard.endLayer - 1} (stage ${shard.stage + 1} of ${shard.stages})`;
    byNode.set(shard.node, [...(byNode.get(shard.node) ?? []), layers]);
  }
  return [...byNode].map(([node, parts]) => [node, parts.join(", ")]);
}

/** One line for a shell. */
export function chatCommand(httpAddress: string, model: string): string {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "What is the capital of Japan?" }], stream: true });
  return `curl -N ${httpAddress}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`;
}
