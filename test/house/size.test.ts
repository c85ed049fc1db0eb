/** Files and functions stay small enough to read; the figures are printed, so that growth is seen. */
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { allFiles, eachNode, lineOf, type SourceFile, sources, tests } from "./source-tree.ts";
import { type Breach, expectNone } from "./violations.ts";

const FILE_LINES_MAX = 300;
const TEST_FILE_LINES_MAX = 450;
const FUNCTION_LINES_MAX = 70;

interface MeasuredFunction {
  readonly at: string;
  readonly lines: number;
}

const functions = sources.flatMap(functionsOf);

describe("sizes", () => {
  test("a source file has at most 300 lines, a test file 450", () => {
    const found: Breach[] = [
      ...sources.map((file) => ({ file, most: FILE_LINES_MAX })),
      ...tests.map((file) => ({ file, most: TEST_FILE_LINES_MAX })),
    ]
      .filter(({ file, most }) => file.lineCount > most)
      .map(({ file, most }) => ({ at: file.path, what: `${file.lineCount} lines, at most ${most}` }));
    expectNone(found, "split it where the second idea begins");
  });

  test("a function has at most 70 lines", () => {
    const found = functions.filter(({ lines }) => lines > FUNCTION_LINES_MAX).map(({ at, lines }) => ({ at, what: `${lines} lines` }));
    expectNone(found, "branches stay in the parent, pure steps become functions of their own");
  });

  // A test of one source file says its role by its path.
  test("a file opens with its role", () => {
    const found = allFiles
      .filter((file) => !file.path.endsWith(".test.ts") && (file.role ?? "").length < 20)
      .map((file) => ({ at: file.path, what: "no role" }));
    expectNone(found, "/** One sentence: what this file is for, as its first line. */");
  });

  test("are known", () => {
    const lines = sources.map((file) => file.lineCount).sort((a, b) => a - b);
    const longest = sources.toSorted((a, b) => b.lineCount - a.lineCount)[0];
    const longestFunction = functions.toSorted((a, b) => b.lines - a.lines)[0];
    const total = lines.reduce((sum, count) => sum + count, 0);
    const median = lines[Math.floor(lines.length / 2)];
    const testLines = tests.reduce((sum, file) => sum + file.lineCount, 0);
    process.stdout.write(
      `${sources.length} source files, ${total} lines, median ${median}, longest ${longest?.path} ${longest?.lineCount}, ` +
        `longest function ${longestFunction?.at} ${longestFunction?.lines}; ${testLines} lines of tests\n`,
    );
    expect(total).toBeGreaterThan(1_000);
  });
});

function functionsOf(file: SourceFile): MeasuredFunction[] {
  const found: MeasuredFunction[] = [];
  eachNode(file, (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return;
    const end = file.syntax.getLineAndCharacterOfPosition(node.end).line + 1;
    const start = lineOf(file, node);
    found.push({ at: `${file.path}:${start}`, lines: end - start + 1 });
  });
  return found;
}
