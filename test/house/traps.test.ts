/** Triton's subtle behaviors: every statement of test/golden/traps.md is a test of that name, or waits for a feature that is named here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { eachNode, ROOT, tests } from "./source-tree.ts";
import { expectNone } from "./violations.ts";

/** Statements of whole features that are not there yet, by their numbers. */
const WAITING: Readonly<Record<string, readonly number[]>> = {
  "reloads of single versions": [45],
  "sequences during a shutdown": [41],
  "ensembles over more than one step at once": [42],
  "the Python backend": [51, 52],
  "Triton's metrics": [53, 54],
  traces: [55],
};

const STATEMENT = /^(\d+)\. (.+)$/gm;

const statements = [...readFileSync(join(ROOT, "test/golden/traps.md"), "utf8").matchAll(STATEMENT)].map(([, number, text = ""]) => ({
  number: Number(number),
  text,
}));
const names = tests.filter(({ path }) => path.startsWith("test/protocol/traps-")).flatMap((file) => namesIn(file));

function namesIn(file: Parameters<typeof eachNode>[0]): readonly string[] {
  const found: string[] = [];
  eachNode(file, (node) => {
    if (!ts.isCallExpression(node) || node.expression.getText() !== "test") return;
    const [title] = node.arguments;
    if (title !== undefined && ts.isStringLiteralLike(title)) found.push(title.text);
  });
  return found;
}

test("every statement is a test, or waits for what is named", () => {
  const waiting = Object.values(WAITING).flat();
  const tested = statements.filter(({ text }) => names.includes(text));
  process.stdout.write(
    `${tested.length} of ${statements.length} traps are tests; ${waiting.length} wait for ${Object.keys(WAITING).join(", ")}\n`,
  );
  const missing = statements.filter(({ number, text }) => names.includes(text) === waiting.includes(number));
  expectNone(
    missing.map(({ number, text }) => ({ at: `trap ${number}`, what: text })),
    "a test of this very name in test/protocol/traps-*.test.ts, and no entry in WAITING",
  );
  expect(statements.map(({ number }) => number)).toEqual(statements.map((_, index) => index + 1));
});

test("no test of a trap has a name that is no statement", () => {
  const texts = statements.map(({ text }) => text);
  expectNone(
    names.filter((name) => !texts.includes(name)).map((name) => ({ at: "test/protocol/traps-*", what: name })),
    "the statement as it stands in test/golden/traps.md",
  );
});
