/** How figures of the cluster of processes stand beside those of the embedded one. */
import { describe, expect, test } from "vitest";
import { addedRow, comparedRow, EMBEDDED, PROCESSES } from "../../../../bench/cluster/rows.ts";

const collected = new Map([
  [PROCESSES, new Map([["CPU", [50, 70, 60]]])],
  [EMBEDDED, new Map([["CPU", [20, 30, 25]]])],
]);

describe("rows of both clusters", () => {
  test("have the processes' figures as ours and the one process's as the peer's, and less is better unless said", () => {
    const figures = { ours: [50, 70, 60], peer: [20, 30, 25] };
    expect(comparedRow(collected, "CPU", { unit: "us" })).toEqual({ name: "CPU", unit: "us", better: "less", ...figures });
    expect(comparedRow(collected, "CPU", { unit: "/s", better: "more" })).toMatchObject({ better: "more" });
  });

  test("tell what processes take more in the same round, beside nobody", () => {
    const added = addedRow(comparedRow(collected, "CPU", { unit: "us" }), "added");
    expect(added).toEqual({ name: "added", unit: "us", better: "less", ours: [30, 40, 35], peer: [] });
  });
});
