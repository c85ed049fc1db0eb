/** Runs vitest and ends with one line that counts: `N passed, N failed`. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./run-program.mjs";

/** @returns {Promise<number>} 0 only when vitest said 0 and nothing failed */
export async function runTests(node, flags, { cwd }) {
  const folder = mkdtempSync(join(tmpdir(), "nereid-tests-"));
  const report = join(folder, "report.json");
  try {
    const vitest = join(cwd, "node_modules", "vitest", "vitest.mjs");
    const args = [vitest, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...flags];
    const code = await runProgram(node, args, { cwd, interruptedByTerminal: true });
    const { passed, failed, skipped } = countTests(textOf(report), code);
    if (skipped.length > 0) process.stdout.write(`${skipped.length} skipped:\n${skipped.map((name) => `  ${name}\n`).join("")}`);
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    return code === 0 && failed > 0 ? 1 : code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * A file that could not even be loaded has no tests but counts as one failure; so does a run that ended badly without naming
 * one: a failure is never reported as none.
 * @param {string | undefined} reportText vitest's JSON report
 * @param {number} code vitest's exit code
 */
export function countTests(reportText, code) {
  let report;
  try {
    report = JSON.parse(reportText ?? "");
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
  const files = report.testResults ?? [];
  const unloaded = files.filter((file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"));
  const failed = (report.numFailedTests ?? 0) + unloaded.length;
  return {
    passed: report.numPassedTests ?? 0,
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: files.flatMap(({ assertionResults }) => assertionResults.filter(wasLeftOut)).map(({ fullName }) => fullName),
  };
}

const wasLeftOut = ({ status }) => status !== "passed" && status !== "failed";

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
