import { expect, test } from "vitest";
import { serverMetrics } from "../../../loadgen/server-metrics.ts";

const text = (requests: number, memory: number) =>
  `# HELP r\n# TYPE r_total counter\nr_total{model="a b"} ${requests}\n# TYPE memory gauge\nmemory ${memory}\nidle 0\n`;

test("of the server's metrics, counters count a second and gauges on average, and what is 0 is left out", () => {
  const looks = [
    { atMs: 1_000, text: text(10, 4) },
    { atMs: 3_000, text: text(30, 8) },
  ];
  expect(serverMetrics(looks)).toEqual([
    { name: 'r_total{model="a b"}', kind: "per-second", value: 10 },
    { name: "memory", kind: "average", value: 6 },
  ]);
  expect(serverMetrics(looks.slice(1)), "one look says nothing of what happens").toEqual([]);
});
