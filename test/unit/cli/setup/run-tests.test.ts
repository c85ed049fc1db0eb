/** The count that ends `npm test`: a failure is never reported as none. */
import { describe, expect, test } from "vitest";
import { countTests } from "../../../../cli/setup/run-tests.mjs";

const report = (value: object): string => JSON.stringify({ numPassedTests: 3, numFailedTests: 0, ...value });

describe("the count of tests", () => {
  test("is vitest's own when all is well", () => {
    expect(countTests(report({ testResults: [] }), 0)).toEqual({ passed: 3, failed: 0, skipped: [] });
  });

  test("has a failure for a file that could not be loaded", () => {
    const testResults = [{ status: "failed", assertionResults: [] }];
    expect(countTests(report({ testResults }), 1)).toMatchObject({ passed: 3, failed: 1 });
  });

  test("counts a failed test once, not its file too", () => {
    const testResults = [{ status: "failed", assertionResults: [{ status: "failed" }] }];
    expect(countTests(report({ numFailedTests: 1, testResults }), 1)).toMatchObject({ failed: 1 });
  });

  test("has a failure when vitest failed without naming a test", () => {
    expect(countTests(report({ testResults: [] }), 1)).toMatchObject({ passed: 3, failed: 1 });
  });

  test("names the tests that were left out", () => {
    const assertionResults = [
      { status: "passed", fullName: "one that ran" },
      { status: "skipped", fullName: "one that needs Go" },
      { status: "todo", fullName: "one that is to come" },
    ];
    const { skipped } = countTests(report({ testResults: [{ status: "passed", assertionResults }] }), 0);
    expect(skipped).toEqual(["one that needs Go", "one that is to come"]);
  });

  test("has a failure when there is no report", () => {
    expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: [] });
  });
});
