/**
 * Metrics that a gateway computes when it is asked for them, from what all nodes say: Triton's names, labels and meanings, then
 * Nereid's own. METRICS.md is printed from this. Pure.
 */
import type { FamilyDescription } from "./exposition.ts";

export interface GatheredMetric extends FamilyDescription {
  readonly labels: readonly string[];
}

const MODEL = ["model", "version"] as const;

const counter = (name: string, help: string, labels: readonly string[] = MODEL): GatheredMetric => ({
  name,
  type: "counter",
  labels,
  help,
});
const gauge = (name: string, help: string, labels: readonly string[] = MODEL): GatheredMetric => ({ name, type: "gauge", labels, help });
const histogram = (name: string, help: string, labels: readonly string[] = MODEL): GatheredMetric => ({
  name,
  type: "histogram",
  labels,
  help,
});
const summary = (name: string, help: string, labels: readonly string[] = MODEL): GatheredMetric => ({
  name,
  type: "summary",
  labels,
  help,
});

export const TRITON_METRICS = {
  success: counter("nv_inference_request_success", "Number of successful inference requests, all batch sizes"),
  failure: counter("nv_inference_request_failure", "Number of failed inference requests, all batch sizes", ["model", "reason", "version"]),
  inferenceCount: counter("nv_inference_count", "Number of inferences performed (does not include cached requests)"),
  executionCount: counter("nv_inference_exec_count", "Number of model executions performed (does not include cached requests)"),
  requestDuration: counter(
    "nv_inference_request_duration_us",
    "Cumulative inference request duration in microseconds (includes cached requests)",
  ),
  queueDuration: counter(
    "nv_inference_queue_duration_us",
    "Cumulative inference queuing duration in microseconds (includes cached requests)",
  ),
  inputDuration: counter(
    "nv_inference_compute_input_duration_us",
    "Cumulative compute input duration in microseconds (does not include cached requests)",
  ),
  inferDuration: counter(
    "nv_inference_compute_infer_duration_us",
    "Cumulative compute inference duration in microseconds (does not include cached requests)",
  ),
  outputDuration: counter(
    "nv_inference_compute_output_duration_us",
    "Cumulative inference compute output duration in microseconds (does not include cached requests)",
  ),
  pending: gauge("nv_inference_pending_request_count", "Instantaneous number of pending requests awaiting execution per-model."),
  loadDuration: gauge("nv_model_load_duration_secs", "Model load time in seconds"),
  modelCacheHits: counter("nv_cache_num_hits_per_model", "Number of cache hits per model"),
  modelCacheMisses: counter("nv_cache_num_misses_per_model", "Number of cache misses per model"),
  modelCacheHitDuration: counter("nv_cache_hit_duration_per_model", "Total cache hit duration per model, in microseconds"),
  modelCacheMissDuration: counter("nv_cache_miss_duration_per_model", "Total cache miss duration per model, in microseconds"),
  firstResponse: histogram(
    "nv_inference_first_response_histogram_ms",
    "Duration from request to first response in milliseconds, of models that answer any number of times",
  ),
  requestSummary: summary(
    "nv_inference_request_summary_us",
    "Summary of inference request duration in microseconds (includes cached requests)",
  ),
  queueSummary: summary(
    "nv_inference_queue_summary_us",
    "Summary of inference queuing duration in microseconds (includes cached requests)",
  ),
  inputSummary: summary(
    "nv_inference_compute_input_summary_us",
    "Summary of compute input duration in microseconds (does not include cached requests)",
  ),
  inferSummary: summary(
    "nv_inference_compute_infer_summary_us",
    "Summary of compute inference duration in microseconds (does not include cached requests)",
  ),
  outputSummary: summary(
    "nv_inference_compute_output_summary_us",
    "Summary of inference compute output duration in microseconds (does not include cached requests)",
  ),
  cacheUtilization: gauge("nv_cache_util", "Cache utilization [0.0 - 1.0]", []),
  cacheEntries: gauge("nv_cache_num_entries", "Number of responses stored in response cache", []),
  cacheLookups: counter("nv_cache_num_lookups", "Number of cache lookups in response cache", []),
  cacheHits: counter("nv_cache_num_hits", "Number of cache hits in response cache", []),
  cacheMisses: counter("nv_cache_num_misses", "Number of cache misses in response cache", []),
  cacheEvictions: counter("nv_cache_num_evictions", "Number of cache evictions in response cache", []),
  pinnedTotal: gauge("nv_pinned_memory_pool_total_bytes", "Pinned memory pool total memory size, in bytes", []),
  pinnedUsed: gauge("nv_pinned_memory_pool_used_bytes", "Pinned memory pool used memory size, in bytes", []),
  cpuUtilization: gauge("nv_cpu_utilization", "CPU utilization rate [0.0 - 1.0]", []),
  cpuMemoryTotal: gauge("nv_cpu_memory_total_bytes", "CPU total memory (RAM), in bytes", []),
  cpuMemoryUsed: gauge("nv_cpu_memory_used_bytes", "CPU used memory (RAM), in bytes", []),
} as const satisfies Record<string, GatheredMetric>;

export const FLEET_METRICS = {
  stageSeconds: histogram(
    "nereid_inference_seconds",
    "Time of requests that succeeded: all of it (`request`), or in one stage (`queue`, `compute_input`, `compute_infer`, `compute_output`).",
    ["model", "stage", "version"],
  ),
  batchSize: histogram("nereid_batch_size", "Sizes of the batches that were executed."),
  running: gauge("nereid_inference_running", "Requests that instances execute now."),
  modelMemory: gauge("nereid_model_resident_bytes", "Memory of the processes that run a whole model."),
  shardMemory: gauge("nereid_shard_resident_bytes", "Memory of the process that runs a shard of a language model, when it was opened.", [
    "model",
    "node",
    "stage",
    "version",
  ]),
  nodeMemoryTotal: gauge("nereid_node_memory_total_bytes", "Memory that a node may use.", ["node"]),
  nodeMemoryFree: gauge("nereid_node_memory_free_bytes", "Memory that is free on a node.", ["node"]),
  nodes: gauge("nereid_nodes", "Nodes that this gateway hears.", []),
  gatewayMemory: gauge("nereid_gateway_resident_bytes", "Memory of this gateway's process.", []),
} as const satisfies Record<string, GatheredMetric>;
