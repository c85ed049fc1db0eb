/** What balancers are told of a language model's load. */
import { expect, test } from "vitest";
import { loadMetricsHeaders } from "../../../../gateway/kserve/load-metrics.ts";
import type { ServedModel } from "../../../../gateway/serving/generation/text-generation.ts";

const MODEL: ServedModel = {
  name: "m",
  version: "1",
  readiness: { kind: "ready" },
  contextLength: 512,
  quantization: "int8",
  createdSeconds: 0,
  shards: [],
  slots: { busy: 1, all: 4 },
};

test("is in Triton's words, in the format that was asked for", () => {
  expect(loadMetricsHeaders("text", MODEL)).toEqual({
    "endpoint-load-metrics": "TEXT named_metrics.kv_cache_utilization=0.250000, named_metrics.max_token_capacity=2048",
  });
  expect(loadMetricsHeaders("JSON", MODEL)).toEqual({
    "endpoint-load-metrics": 'JSON {"named_metrics":{"kv_cache_utilization":0.25,"max_token_capacity":2048}}',
  });
});

test.each([
  ["nobody asked", undefined, MODEL],
  ["the format is unknown", "bin", MODEL],
  ["no replica has reported", "text", { ...MODEL, slots: { busy: 0, all: 0 } }],
  ["there is no such model", "text", undefined],
])("is left out when %s", (_, format, model) => {
  expect(loadMetricsHeaders(format, model)).toEqual({});
});
