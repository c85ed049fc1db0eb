/** The dashboard and the alerts ask for series that are there. UPDATE_DOCUMENTS=1 prints the dashboard anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { isErrorCode } from "../../core/errors.ts";
import { FLEET_METRICS, TRITON_METRICS } from "../../core/telemetry/gathered-metrics-table.ts";
import { METRICS } from "../../core/telemetry/metrics-table.ts";
import { dashboardJson } from "../../deploy/grafana/dashboard.ts";
import { ROOT } from "./source-tree.ts";

const FILE = join(ROOT, "deploy/grafana/nereid.json");

test("the dashboard's file is as the code makes it", () => {
  if (process.env["UPDATE_DOCUMENTS"] === "1") writeFileSync(FILE, dashboardJson());
  expect(readFileSync(FILE, "utf8"), "run UPDATE_DOCUMENTS=1 npx vitest run test/house").toBe(dashboardJson());
});

const asked = {
  dashboard: [...dashboardJson().matchAll(/"expr": "(.*)"/g)].map(([, expr = ""]) => expr.replaceAll('\\"', '"')),
  alerts: rulesOf(parse(readFileSync(join(ROOT, "deploy/prometheus/alerts.yml"), "utf8"))).filter((expr) => !expr.startsWith("up{")),
};

test.each(Object.entries(asked))("every series and every label that the %s names is a metric's", (_, expressions) => {
  const metrics = [...Object.values(TRITON_METRICS), ...Object.values(FLEET_METRICS), ...Object.values(METRICS)];
  const labelsOf = new Map<string, readonly string[]>();
  for (const { name, type, labels } of metrics) {
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) labelsOf.set(`${name}${suffix}`, suffix === "_bucket" ? [...labels, "le"] : labels);
  }
  expect(expressions.length).toBeGreaterThan(5);
  for (const expression of expressions) {
    const names = [...expression.matchAll(/\b(?:nv|nereid)_\w+/g)].map(([name]) => name);
    expect(names.length, expression).toBeGreaterThan(0);
    const labels = names.map((name) => labelsOf.get(name));
    expect(labels, expression).not.toContain(undefined);
    const named = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(", "));
    const filtered = [...expression.matchAll(/\{(\w+)=/g)].map(([, label = ""]) => label);
    for (const label of [...named, ...filtered]) expect(labels.flat(), `${label} in ${expression}`).toContain(label);
  }
});

test("the outcomes that an alert counts are statuses of HTTP and codes of errors", () => {
  const [, outcomes = ""] = /outcome=~"([^"]*)"/.exec(asked.alerts.join()) ?? [];
  const [status, ...codes] = outcomes.split("|");
  expect(status).toBe("status 5..");
  expect(codes.length).toBeGreaterThan(2);
  expect(codes.filter((code) => !isErrorCode(code))).toEqual([]);
});

interface Alerts {
  readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[];
}

function rulesOf({ groups }: Alerts): readonly string[] {
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
}
