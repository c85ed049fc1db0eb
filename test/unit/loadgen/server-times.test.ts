import { describe, expect, test } from "vitest";
import { readStatistics } from "../../../client/http/counters.ts";
import { serverTimes } from "../../../loadgen/server-times.ts";

function statistics(count: number, ns: number) {
  const duration = (times: number) => ({ count, ns: ns * times });
  return readStatistics({
    name: "m",
    inference_count: 2 * count,
    execution_count: count,
    inference_stats: {
      success: duration(10),
      queue: duration(1),
      compute_input: duration(2),
      compute_infer: duration(3),
      compute_output: duration(1),
    },
  });
}

describe("what the server says of a window", () => {
  test("is the difference of two looks, for one request on average, and what no part explains is overhead", () => {
    const times = serverTimes([statistics(5, 1_000_000)], [statistics(15, 11_000_000)]);
    expect(times).toMatchObject({ inferences: 20, executions: 10, successes: 10, requestUs: 10_000, queueUs: 1_000 });
    expect(times).toMatchObject({ computeInputUs: 2_000, computeInferUs: 3_000, computeOutputUs: 1_000, overheadUs: 3_000 });
  });

  test("adds up the versions that answered", () => {
    expect(serverTimes([], [statistics(1, 1_000), statistics(3, 3_000)])?.successes).toBe(4);
  });

  test("is nothing when nothing was answered in between", () => {
    expect(serverTimes([statistics(5, 1)], [statistics(5, 1)])).toBeUndefined();
    expect(serverTimes([], [])).toBeUndefined();
  });
});
