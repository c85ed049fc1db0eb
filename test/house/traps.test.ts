/** Triton's subtle behaviors: every statement of test/golden/traps.md is a test of that name, or COMPATIBILITY.md gives the reason. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { eachNode, ROOT, tests } from "./source-tree.ts";
import { expectNone } from "./violations.ts";

/** Statements that do not hold here, by their numbers; COMPATIBILITY.md gives each reason in this very line. */
const OTHERWISE: Readonly<Record<string, readonly number[]>> = {};

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

test("every statement is a test, or COMPATIBILITY.md says why it does not hold", () => {
  const otherwise = Object.values(OTHERWISE).flat();
  const tested = statements.filter(({ text }) => names.includes(text));
  process.stdout.write(`${tested.length} of ${statements.length} traps are tests; ${otherwise.length} do not hold here, for reasons\n`);
  const compatibility = readFileSync(join(ROOT, "COMPATIBILITY.md"), "utf8");
  for (const reason of Object.keys(OTHERWISE)) expect(compatibility).toContain(reason);
  const missing = statements.filter(({ number, text }) => names.includes(text) === otherwise.includes(number));
  expectNone(
    missing.map(({ number, text }) => ({ at: `trap ${number}`, what: text })),
    "a test of this very name in test/protocol/traps-*.test.ts, and no entry in OTHERWISE",
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
