/** The metrics of one process, as text. */
import { expect, test } from "vitest";
import { createMetrics } from "../../../../core/telemetry/metrics.ts";
import { METRICS, metricsMarkdown } from "../../../../core/telemetry/metrics-table.ts";

test("what is counted is in the text, with its labels", async () => {
  using metrics = createMetrics();
  metrics.requests.inc({ door: "openai", outcome: "ok" });
  metrics.requests.inc({ door: "openai", outcome: "ok" }, 2);
  metrics.generationsInFlight.add({ model: "m" }, 2);
  metrics.generationsInFlight.add({ model: "m" }, -1);
  metrics.slotsBusy.set({ node: "n", model: "m" }, 3);
  metrics.timeToFirstToken.observe({ model: "m" }, 0.02);
  const text = await metrics.metricsText();
  expect(text).toContain('nereid_requests_total{door="openai",outcome="ok"} 3');
  expect(text).toContain('nereid_generations_in_flight{model="m"} 1');
  expect(text).toContain('nereid_slots_busy{node="n",model="m"} 3');
  expect(text).toContain('nereid_time_to_first_token_seconds_bucket{le="0.025",model="m"} 1');
  expect(metrics.contentType).toContain("text/plain");
});

test("every metric of the table is served and described, and two sets do not share", async () => {
  using metrics = createMetrics();
  using other = createMetrics();
  other.submitsResent.inc({});
  const text = await metrics.metricsText();
  for (const { name } of Object.values(METRICS)) {
    expect(text).toContain(`# HELP ${name} `);
    expect(metricsMarkdown()).toContain(`\`${name}\``);
  }
  expect(text).toContain("nereid_submits_resent_total 0");
});
