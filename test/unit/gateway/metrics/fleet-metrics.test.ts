/** What /metrics says of all nodes: Triton's series, and counters that never go back. */
import { describe, expect, test } from "vitest";
import { createLogger } from "../../../../core/telemetry/logger.ts";
import { TELEMETRY_DEFAULTS } from "../../../../core/telemetry/options.ts";
import { FleetMetrics } from "../../../../gateway/metrics/fleet-metrics.ts";
import { turns } from "../../../support/fake-clock.ts";
import { type ModelRig, modelRig, NEVER, published } from "../serving/model-rig.ts";
import { told, toldOften } from "../serving/told-statistics.ts";

const logger = createLogger({ level: "silent", form: "json" });
const SILENCE_MS = 500;

/** Scrapes of the rig's fleet. */
function scraper(rig: ModelRig, metricsConfig: readonly string[] = [], wanted: readonly string[] = []) {
  const metrics = new FleetMetrics(
    { ...TELEMETRY_DEFAULTS, metricsConfig },
    { ...rig, logger, views: rig, wanted: () => wanted.map((model) => ({ model, version: "1" })) },
  );
  return async () => {
    const text = metrics.text(NEVER);
    await turns(60);
    await rig.clock.pass(SILENCE_MS);
    return await text;
  };
}

describe("/metrics of all nodes", () => {
  test("has Triton's series with its labels in their order, added up over the nodes", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("m"), { replica: `m/1/${node + 1}` });
    rig.agent(0).statistics = [told("m", 1)];
    rig.agent(1).statistics = [told("m", 2)];
    rig.agent(1).incarnation = "2";
    await rig.beat();
    const text = await scraper(rig)();
    expect(text.split("\n")).toEqual(
      expect.arrayContaining([
        "# TYPE nv_inference_request_success counter",
        'nv_inference_request_success{model="m",version="1"} 18',
        'nv_inference_request_failure{model="m",reason="REJECTED",version="1"} 3',
        'nv_inference_request_failure{model="m",reason="CANCELED",version="1"} 6',
        'nv_inference_request_failure{model="m",reason="BACKEND",version="1"} 0',
        'nv_inference_request_failure{model="m",reason="OTHER",version="1"} 0',
        'nv_inference_count{model="m",version="1"} 24',
        'nv_inference_exec_count{model="m",version="1"} 9',
        'nv_inference_request_duration_us{model="m",version="1"} 18',
        'nv_inference_pending_request_count{model="m",version="1"} 3',
        'nv_model_load_duration_secs{model="m",version="1"} 1.5',
        'nereid_inference_seconds_bucket{le="0.0001",model="m",stage="queue",version="1"} 15',
        'nereid_inference_seconds_count{model="m",stage="queue",version="1"} 15',
        'nereid_batch_size_bucket{le="1",model="m",version="1"} 3',
        'nereid_batch_size_bucket{le="+Inf",model="m",version="1"} 9',
        'nereid_batch_size_sum{model="m",version="1"} 15',
        "nereid_nodes 2",
      ]),
    );
    expect(text).not.toContain("nv_cache_");
    expect(text).not.toContain("summary");
  });

  test("carries the configuration's metric tags, with an underscore in front", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m", "1", { configJson: '{"name":"m","metric_tags":{"team":"a \\"b\\""}}' }));
    rig.agent(0).statistics = [told("m", 1)];
    await rig.beat();
    expect(await scraper(rig)()).toContain('nv_inference_count{_team="a \\"b\\"",model="m",version="1"} 8');
  });

  test("keeps what a silent node said last, and what a dead one had counted, but not its gauges", async () => {
    await using rig = await modelRig(2);
    for (const node of [0, 1]) rig.host(node, published("m"), { replica: `m/1/${node + 1}` });
    rig.agent(0).statistics = [told("m", 1)];
    rig.agent(1).statistics = [told("m", 2)];
    rig.agent(1).incarnation = "2";
    await rig.beat();
    const scrape = scraper(rig, [], ["m"]);
    const success = async () => /^nv_inference_request_success.* (\d+)$/m.exec(await scrape())?.[1];
    expect(await success()).toBe("18");
    rig.agent(1).statistics = "silent";
    expect(await success()).toBe("18");
    await rig.clock.pass(10_000);
    expect(rig.fleet.expire(rig.clock.now()).length).toBe(2);
    rig.refresh();
    const text = await scrape();
    expect(text).toContain('nv_inference_request_success{model="m",version="1"} 18');
    expect(text).toContain('nv_inference_pending_request_count{model="m",version="1"} 0');
    expect(text).toContain("nereid_nodes 0");
  });

  test("counts on when an agent is started again, and when a model is loaded again", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).statistics = [told("m", 1)];
    await rig.beat();
    const scrape = scraper(rig);
    await scrape();
    rig.agent(0).incarnation = "2";
    rig.agent(0).statistics = [told("m", 1), { ...told("m", 10), past: true }];
    await rig.beat();
    expect(await scrape()).toContain('nv_inference_count{model="m",version="1"} 96');
  });

  test("has no series of models that are unloaded", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).statistics = [told("m", 1), { ...told("gone", 1), past: true }];
    await rig.beat();
    const text = await scraper(rig)();
    expect(text).toContain('model="m"');
    expect(text).not.toContain('model="gone"');
  });

  test("has summaries and no latency counters where that is asked for, of the last minute", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).statistics = [told("m", 1)];
    await rig.beat();
    const scrape = scraper(rig, ["counter_latencies=false", "summary_latencies=true", "summary_quantiles=0.5:0.05"]);
    const first = await scrape();
    expect(first).toContain('nv_inference_queue_summary_us{model="m",quantile="0.5",version="1"} 1\n');
    expect(first).toContain('nv_inference_queue_summary_us_count{model="m",version="1"} 5');
    expect(first).toContain('nv_inference_compute_input_summary_us{model="m",quantile="0.5",version="1"} NaN');
    expect(first).not.toContain("duration_us");
    await rig.clock.pass(61_000);
    await rig.beat();
    expect(await scrape()).toContain('nv_inference_queue_summary_us{model="m",quantile="0.5",version="1"} NaN');
  });

  test("has a histogram of decoupled models' first answers where that is asked for, with the configuration's bounds", async () => {
    await using rig = await modelRig();
    const control = {
      metric_identifier: { family: "nv_inference_first_response_histogram_ms" },
      histogram_options: { buckets: [150, 250] },
    };
    const configJson = JSON.stringify({ name: "bounds", model_metrics: { metric_control: [control] } });
    rig.host(0, published("m", "1", { decoupled: true }));
    rig.host(0, published("bounds", "1", { decoupled: true, configJson }), { replica: "bounds/1/1" });
    rig.agent(0).statistics = [toldOften("m", 3), toldOften("bounds", 2), told("once", 1)];
    await rig.beat();
    const family = "nv_inference_first_response_histogram_ms";
    const text = await scraper(rig, ["histogram_latencies=true"])();
    expect(text.split("\n").filter((line) => line.startsWith(family))).toEqual([
      `${family}_bucket{le="150",model="bounds",version="1"} 0`,
      `${family}_bucket{le="250",model="bounds",version="1"} 2`,
      `${family}_bucket{le="+Inf",model="bounds",version="1"} 2`,
      `${family}_sum{model="bounds",version="1"} 400`,
      `${family}_count{model="bounds",version="1"} 2`,
      `${family}_bucket{le="100",model="m",version="1"} 0`,
      `${family}_bucket{le="500",model="m",version="1"} 3`,
      `${family}_bucket{le="2000",model="m",version="1"} 3`,
      `${family}_bucket{le="5000",model="m",version="1"} 3`,
      `${family}_bucket{le="+Inf",model="m",version="1"} 3`,
      `${family}_sum{model="m",version="1"} 600`,
      `${family}_count{model="m",version="1"} 3`,
    ]);
    expect(await scraper(rig)()).not.toContain(family);
  });

  test("has the cache's series where answers are kept", async () => {
    await using rig = await modelRig();
    rig.host(0, published("m"));
    rig.agent(0).statistics = [{ ...told("m", 1), cached: true }];
    await rig.beat();
    expect(await scraper(rig)()).toContain('nv_cache_num_hits_per_model{model="m",version="1"} 9');
  });
});
