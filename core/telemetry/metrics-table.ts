/** Every metric that a process counts as it goes: name, type, unit, labels and help. METRICS.md is printed from this. Pure. */
import { FLEET_METRICS, TRITON_METRICS } from "./gathered-metrics-table.ts";

/** Seconds; from a cached small model to a long prompt on a slow machine. */
const FIRST_TOKEN_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const TOKEN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export const METRICS = {
  requests: {
    name: "nereid_requests_total",
    type: "counter",
    labels: ["door", "outcome"],
    help: "Requests answered, by protocol and by outcome: ok, or the status (HTTP) or code (gRPC) of the error.",
  },
  timeToFirstToken: {
    name: "nereid_time_to_first_token_seconds",
    type: "histogram",
    labels: ["model"],
    buckets: FIRST_TOKEN_SECONDS,
    help: "From a generation's arrival at the gateway to its first token.",
  },
  interToken: {
    name: "nereid_inter_token_seconds",
    type: "histogram",
    labels: ["model"],
    buckets: TOKEN_SECONDS,
    help: "Between two tokens of a generation, as the gateway hands them out.",
  },
  promptTokens: {
    name: "nereid_prompt_tokens_total",
    type: "counter",
    labels: ["model"],
    help: "Tokens of the prompts of accepted generations.",
  },
  completionTokens: { name: "nereid_completion_tokens_total", type: "counter", labels: ["model"], help: "Tokens generated." },
  generationsCanceled: {
    name: "nereid_generations_canceled_total",
    type: "counter",
    labels: ["model"],
    help: "Generations whose client left or whose deadline passed before their end.",
  },
  generationsRerouted: {
    name: "nereid_generations_rerouted_total",
    type: "counter",
    labels: ["model"],
    help: "Generations that a replica refused or lost before their start, and that were tried elsewhere.",
  },
  generationsMoved: {
    name: "nereid_generations_moved_total",
    type: "counter",
    labels: ["model"],
    help: "Generations that lost their lead while they ran and went on at the same token, there or elsewhere.",
  },
  copiesChanged: {
    name: "nereid_model_copies_changed_total",
    type: "counter",
    labels: ["model", "direction"],
    help: "Copies that came (up) or went (down) with the length of a model's queue, decided by this gateway.",
  },
  generationsResumed: {
    name: "nereid_generations_resumed_total",
    type: "counter",
    labels: ["model"],
    help: "Streams that a client came back for and that this gateway took up.",
  },
  submitsResent: {
    name: "nereid_submits_resent_total",
    type: "counter",
    labels: [],
    help: "Submits sent over the link because no answer to the bus came in time.",
  },
  generationsInFlight: {
    name: "nereid_generations_in_flight",
    type: "gauge",
    labels: ["model"],
    help: "Generations that this gateway has submitted and that have not ended.",
  },
  generationsQueued: {
    name: "nereid_generations_queued",
    type: "gauge",
    labels: ["node", "model"],
    help: "Choices of generations that wait for a slot.",
  },
  slotsBusy: { name: "nereid_slots_busy", type: "gauge", labels: ["node", "model"], help: "Rows of the KV cache that are in use." },
  slots: { name: "nereid_slots", type: "gauge", labels: ["node", "model"], help: "Rows of the KV cache." },
  steps: { name: "nereid_steps_total", type: "counter", labels: ["node", "model"], help: "Steps that a lead has sent through its stages." },
  prefillTokens: {
    name: "nereid_prefill_tokens_total",
    type: "counter",
    labels: ["node", "model"],
    help: "Prompt tokens that were computed rather than taken from a cache.",
  },
  sharedTokens: {
    name: "nereid_shared_prompt_tokens_total",
    type: "counter",
    labels: ["node", "model"],
    help: "Prompt tokens that a slot held already.",
  },
  runnerRestarts: {
    name: "nereid_runner_restarts_total",
    type: "counter",
    labels: ["model"],
    help: "Runner processes that died and were started again.",
  },
  eventLoopDelay: {
    name: "nereid_event_loop_delay_p99_seconds",
    type: "gauge",
    labels: [],
    help: "99th percentile of this process's event loop delay since the last scrape.",
  },
} as const satisfies Record<string, MetricDescription>;

export type MetricDescription =
  | { readonly name: string; readonly type: "counter" | "gauge"; readonly labels: readonly string[]; readonly help: string }
  | {
      readonly name: string;
      readonly type: "histogram";
      readonly labels: readonly string[];
      readonly buckets: readonly number[];
      readonly help: string;
    };

/** The tables as Markdown. */
export function metricsMarkdown(): string {
  const tables = [
    ["Triton's, of the whole models of all nodes", Object.values(TRITON_METRICS)],
    ["Nereid's own, of all nodes", Object.values(FLEET_METRICS)],
    ["Nereid's own, counted by the process that is asked", Object.values(METRICS)],
  ] as const;
  return tables.map(([title, rows]) => `## ${title}\n\n${tableMarkdown(rows)}`).join("\n\n");
}

type Row = { readonly name: string; readonly type: string; readonly labels: readonly string[]; readonly help: string };

function tableMarkdown(rows: readonly Row[]): string {
  const lines = rows.map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(", ")} | ${help} |`);
  return ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |", ...lines].join("\n");
}
