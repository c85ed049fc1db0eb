import { describe, expect, test } from "vitest";
import type { Measurement } from "../../../../loadgen/measure.ts";
import { measurementText, summaryText } from "../../../../loadgen/report/console.ts";
import { csvText } from "../../../../loadgen/report/csv.ts";
import { figuresText } from "../../../../loadgen/report/figures.ts";
import { profileText } from "../../../../loadgen/report/profile.ts";

const SERVER = { inferences: 40, executions: 10, successes: 20, cacheHits: 0, requestUs: 900 };
const TIMES = { queueUs: 100, computeInputUs: 50, computeInferUs: 600, computeOutputUs: 50, overheadUs: 100 };

function measurement(value: number, given: Partial<Measurement["window"]> = {}): Measurement {
  const window = { durationMs: 1_000, latenciesMs: [1, 2, 3], lagsMs: [0, 0, 0], texts: [], failures: 0, failure: undefined, records: [] };
  const level = { kind: "concurrency" as const, value };
  return { level, window: { ...window, ...given }, perSecond: 100 / value, server: { ...SERVER, ...TIMES }, isStable: true };
}

describe("a measurement's report", () => {
  test("says what clients saw and what the server says of it", () => {
    const text = measurementText(measurement(4), 99);
    for (const line of ["Request concurrency: 4", "Request count: 3", "Throughput: 25.00 infer/sec", "p99 latency: 3000 usec"]) {
      expect(text).toContain(line);
    }
    expect(text).toContain("900 usec (overhead 100 usec + queue 100 usec + compute input 50 usec");
    expect(text).not.toContain("Not stable");
  });

  test("says what failed, why, and that figures are not stable", () => {
    const text = measurementText({ ...measurement(1, { failures: 2, failure: "full" }), isStable: false }, undefined);
    expect(text).toContain("Failed requests: 2 (full)");
    expect(text).toContain("Not stable");
  });

  test("has tokens' times for language models, and lag for rates", () => {
    const texts = [{ firstTokenMs: 10, interTokenMs: 2, tokens: 5 }];
    const rate = { ...measurement(1, { texts, lagsMs: [0.5] }), level: { kind: "request-rate" as const, value: 7 } };
    const text = measurementText(rate, undefined);
    expect(text).toContain("Output token throughput: 5.00 tokens/sec");
    expect(text).toContain("Time to first token: 10000 usec");
    expect(text).toContain("Inter token latency: 2000 usec");
    expect(text).toContain("Sent later than intended: 500 usec");
  });

  test("ends with a row for each level", () => {
    expect(
      summaryText([measurement(1), measurement(4)], undefined)
        .split("\n")
        .slice(1),
    ).toEqual([
      "Concurrency: 1, throughput: 100.00 infer/sec, latency 2000 usec",
      "Concurrency: 4, throughput: 25.00 infer/sec, latency 2000 usec",
    ]);
  });

  test("as CSV has Perf Analyzer's columns, rows by throughput, and parts that add up to the average", () => {
    const [header, ...rows] = csvText([measurement(1), measurement(4)])
      .trim()
      .split("\n");
    expect(header).toBe(
      "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency",
    );
    expect(rows).toEqual(["4,25.00,0,1200,100,50,600,50,0,2000,3000,3000,3000", "1,100.00,0,1200,100,50,600,50,0,2000,3000,3000,3000"]);
  });

  test("as a profile has each request's times in Unix nanoseconds", () => {
    const records = [{ sentMs: 5, responsesMs: [6, 8] }];
    const head = { version: "1", serviceKind: "triton", endpoint: "", epochMs: 1_000 };
    const { experiments } = JSON.parse(profileText([measurement(2, { records })], head));
    expect(experiments[0].experiment).toEqual({ mode: "concurrency", value: 2 });
    expect(experiments[0].requests).toEqual([{ timestamp: 1_005_000_000, response_timestamps: [1_006_000_000, 1_008_000_000] }]);
  });

  test("as JSON has all figures of each level and the metrics beside them", () => {
    const metrics = [[{ name: "nv_gpu", kind: "average" as const, value: 3 }]];
    const { levels } = JSON.parse(figuresText([measurement(2)], metrics));
    expect(levels[0]).toMatchObject({
      concurrency: 2,
      infer_per_sec: 50,
      latency_ms: { count: 3, avg: 2, p99: 3 },
      server: { queueUs: 100 },
    });
    expect(levels[0].metrics).toEqual(metrics[0]);
  });
});
