/**
 * ORCA's answer header, as Triton gives it on the generate extension: how full a language model's caches are, for balancers that ask
 * with `endpoint-load-metrics-format: text` or `json`. Pure.
 */
import type { ServedModel } from "../serving/generation/text-generation.ts";

/** @param format the request's header @returns headers for the answer; none for other formats, or when no replica has reported */
export function loadMetricsHeaders(format: string | undefined, model: ServedModel | undefined): Readonly<Record<string, string>> {
  const asked = format?.toLowerCase();
  const slots = model?.slots;
  if ((asked !== "text" && asked !== "json") || slots === undefined || slots.all === 0) return {};
  const metrics = { kv_cache_utilization: slots.busy / slots.all, max_token_capacity: slots.all * (model?.contextLength ?? 0) };
  if (asked === "json") return { [HEADER]: `JSON ${JSON.stringify({ named_metrics: metrics })}` };
  const { kv_cache_utilization: used, max_token_capacity: capacity } = metrics;
  return { [HEADER]: `TEXT named_metrics.kv_cache_utilization=${used.toFixed(6)}, named_metrics.max_token_capacity=${capacity}` };
}

const HEADER = "endpoint-load-metrics";
