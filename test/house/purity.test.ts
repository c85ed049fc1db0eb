/** Decisions are pure: no waiting, no clock, no chance, no input or output. */
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { allFiles, type Import, lineOf, type SourceFile, sources, under } from "./source-tree.ts";
import { type Breach, expectNone } from "./violations.ts";

const PURE_FOLDERS = [
  "core/messages",
  "core/model",
  "core/tensor",
  "gateway/admission",
  "gateway/routing",
  "gateway/placement",
  "node-agent/generation",
  "node-agent/sampling",
  "node-agent/scheduling",
  "partitioner/planning",
  "partitioner/quantize",
];

/** Libraries that only compute. */
const PURE_LIBRARIES = ["@bufbuild/protobuf", "@huggingface/jinja", "@huggingface/tokenizers", "typebox"];
/** Of Node: what computes, whatever it is called with. */
const PURE_NODE: Readonly<Record<string, readonly string[]>> = {
  "node:crypto": ["createHash", "hash"],
  "node:path": ["join", "resolve", "dirname", "basename", "posix"],
  "node:buffer": ["Buffer", "isUtf8"],
  "node:util": ["isDeepStrictEqual"],
  "node:zlib": ["crc32"],
};

const REACHING_CALLS = new Set(["Date.now", "Math.random"]);

/** Names that reach out of the function. */
const REACHES_OUT: Readonly<Record<string, string>> = {
  Promise: "return the decision; the caller waits",
  process: "take the value as an argument",
  performance: "take nowMs as an argument",
  setTimeout: "return when to act: { kind: 'wait', untilMs }",
  setInterval: "return when to act: { kind: 'wait', untilMs }",
  setImmediate: "return what to do next",
  queueMicrotask: "return what to do next",
  fetch: "take the bytes as an argument",
  console: "return the finding",
  crypto: "take a Random as an argument",
};

const claimsPurity = (file: SourceFile): boolean => under(file, ...PURE_FOLDERS) || /\bPure\.(\s|$)/.test(file.role ?? "");

const byName = new Map(allFiles.map((file) => [file.path, file]));
const verdicts = new Map<string, boolean>();

/** Whether the file reaches out nowhere and neither does anything that it imports, claimed or not. */
function isPureInFact(name: string): boolean {
  const known = verdicts.get(name);
  if (known !== undefined) return known;
  verdicts.set(name, true); // a cycle is another test's business
  const file = byName.get(name);
  const verdict = file !== undefined && reachesOut(file).length === 0 && file.imports.every(isPureImport);
  verdicts.set(name, verdict);
  return verdict;
}

function isPureImport({ typeOnly, file, library = "", names }: Import): boolean {
  const isGenerated = file?.startsWith("protos/gen/") === true;
  if (typeOnly || isGenerated || (file !== undefined && isPureInFact(file)) || PURE_LIBRARIES.includes(library)) return true;
  const allowed = PURE_NODE[library] ?? pureFunctions(file);
  return allowed !== undefined && names.length > 0 && names.every((name) => allowed.includes(name));
}

/** Functions that are pure in a file that is not: those whose own comment says so. */
function pureFunctions(name: string | undefined): readonly string[] {
  const file = byName.get(name ?? "");
  if (file === undefined) return [];
  return file.syntax.statements.flatMap((statement) =>
    claimsPurityItself(statement) && ts.isFunctionDeclaration(statement) ? [statement.name?.text ?? ""] : [],
  );
}

const claimsPurityItself = (node: ts.Node): boolean =>
  ts.getJSDocCommentsAndTags(node).some((comment) => /\bPure\.(\s|$)|\bdepends on \([^)]*\) alone\b/.test(comment.getText()));

describe("pure code", () => {
  const pure = sources.filter(claimsPurity);

  test("is found, or this test looks in the wrong place", () => {
    expect(pure.length).toBeGreaterThan(10);
  });

  test("imports pure code only", () => {
    const found = pure.flatMap((file) =>
      file.imports.filter((imported) => !isPureImport(imported)).map(({ specifier }) => ({ at: file.path, what: `imports ${specifier}` })),
    );
    expectNone(found, "take the value as an argument, or move what is pure into a file of its own");
  });

  test("does not wait, and reaches for no clock, chance or output", () => {
    const functions = sources.flatMap((file) =>
      file.syntax.statements.filter((node) => claimsPurityItself(node)).flatMap((node) => reachesOut(file, node)),
    );
    expectNone(
      [...pure.flatMap((file) => reachesOut(file)), ...functions],
      "decide here, act in the file that calls; or do not claim 'Pure.'",
    );
  });
});

function reachesOut(file: SourceFile, root: ts.Node = file.syntax): Breach[] {
  const found: Breach[] = [];
  const add = (node: ts.Node, what: string) => found.push({ at: `${file.path}:${lineOf(file, node)}`, what });
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return; // erased
    if (node.kind === ts.SyntaxKind.AsyncKeyword) add(node, "async: return the decision; the caller waits");
    if (ts.isAwaitExpression(node)) add(node, "await: the caller waits");
    if (ts.isPropertyAccessExpression(node) && REACHING_CALLS.has(node.getText(file.syntax))) {
      add(node, `${node.getText(file.syntax)}: take it as an argument`);
    }
    if (ts.isNewExpression(node) && node.expression.getText(file.syntax) === "Date" && node.arguments?.length === 0) {
      add(node, "new Date(): take the time as an argument");
    }
    const remedy = ts.isIdentifier(node) && Object.hasOwn(REACHES_OUT, node.text) ? REACHES_OUT[node.text] : undefined;
    if (ts.isIdentifier(node) && remedy !== undefined && isReference(node)) add(node, `${node.text}: ${remedy}`);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(root, visit);
  return found;
}

/** Not a property's name, nor a declaration of something of that name. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isBindingElement(parent)) return parent.initializer === node;
  return !ts.isPropertyDeclaration(parent) && !ts.isMethodDeclaration(parent) && !ts.isImportSpecifier(parent);
}
