/** What the code does not contain, and what stands in its place. */
import ts from "typescript";
import { describe, test } from "vitest";
import { allFiles, benchmarks, eachNode, lineOf, type SourceFile, sources, tests, under } from "./source-tree.ts";
import { type Breach, expectNone } from "./violations.ts";

/** Runs on a Node of any age, before there is a core to import. */
const isSetup = (file: SourceFile): boolean => under(file, "cli/setup.mjs", "cli/setup");
const shipped = sources.filter((file) => !isSetup(file));

/** Programs that may be started by name: they are no Node programs. */
const STARTS_BY_NAME = ["cli/pull/from-python-index.ts", "node-agent/runners/node-child.ts"];

/** Made of the operator's patterns, of a route's path, of escaped words: never of what clients or models say. */
const MAKE_EXPRESSIONS = [
  "gateway/kserve/infer/request-parameters.ts",
  "gateway/http1/path-pattern.ts",
  "gateway/text/sentencepiece.ts",
  "bench",
];

type Judge = (node: ts.Node, file: SourceFile) => string | undefined;

function breaches(files: readonly SourceFile[], judge: Judge): Breach[] {
  return files.flatMap((file) => {
    const found: Breach[] = [];
    eachNode(file, (node) => {
      const what = judge(node, file);
      if (what !== undefined) found.push({ at: `${file.path}:${lineOf(file, node)}`, what });
    });
    return found;
  });
}

/** `a.b` in code, or a call of the global `a`. */
const names =
  (...banned: readonly string[]): Judge =>
  (node, file) => {
    const isMember = ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression);
    const isCall = ts.isCallExpression(node) && ts.isIdentifier(node.expression);
    const text = isMember ? node.getText(file.syntax) : isCall ? node.expression.getText(file.syntax) : undefined;
    return text !== undefined && banned.includes(text) ? text : undefined;
  };

describe("the code contains", () => {
  test("no console outside the command line", () => {
    const judge: Judge = (node) =>
      ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "console"
        ? `console.${node.name.text}`
        : undefined;
    expectNone(
      breaches(
        shipped.filter((file) => !under(file, "cli")),
        judge,
      ),
      "the logger that is passed in (core/telemetry/logger.ts)",
    );
  });

  test("no clock but core/clock.ts", () => {
    const judge = names("Date.now", "performance.now", "setTimeout", "setInterval");
    const found = breaches(
      shipped.filter((file) => file.path !== "core/clock.ts"),
      judge,
    );
    expectNone(found, "the Clock that is passed in: now(), wallClockMs(), after(); or sleep()");
  });

  test("no chance but core/random.ts", () => {
    const judge = names("Math.random", "crypto.randomUUID", "crypto.getRandomValues", "randomUUID", "randomBytes", "randomInt");
    const found = breaches(
      shipped.filter((file) => file.path !== "core/random.ts"),
      judge,
    );
    expectNone(found, "the Random that is passed in: next(), seed(), id(); or counterRandom()");
  });

  test("no timers from node:timers", () => {
    const found = shipped.flatMap((file) =>
      file.imports.filter(({ library }) => library === "node:timers").map(({ specifier }) => ({ at: file.path, what: specifier })),
    );
    expectNone(found, "sleep() of core/clock.ts");
  });

  test("no joined signals that leak", () => {
    expectNone(
      breaches(shipped, names("AbortSignal.any", "AbortSignal.timeout")),
      "linkedSignal() or deadlineSignal() of core/abort.ts, held with `using`",
    );
  });

  test("no any, no non-null assertion and no cast through unknown", () => {
    const judge: Judge = (node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) return "any";
      if (ts.isNonNullExpression(node)) return "!";
      const throughUnknown =
        ts.isAsExpression(node) && ts.isAsExpression(node.expression) && node.expression.type.kind === ts.SyntaxKind.UnknownKeyword;
      return throughUnknown ? "as unknown as" : undefined;
    };
    expectNone(breaches(allFiles, judge), "unknown and a check; an `if` that handles undefined; a parser that makes the type true");
  });

  test("no error class but ServingError", () => {
    const judge: Judge = (node, file) => {
      if (!ts.isThrowStatement(node) || !ts.isNewExpression(node.expression)) return undefined;
      const thrown = node.expression.expression;
      if (!ts.isIdentifier(thrown) || thrown.text === "ServingError") return undefined;
      const isOwnSignal = file.syntax.statements.some(
        (statement) => ts.isClassDeclaration(statement) && statement.name?.text === thrown.text,
      );
      return isOwnSignal ? undefined : `throw new ${thrown.text}`;
    };
    const found = breaches(
      // The client has its own: what it throws is for programs that know nothing of the server's.
      shipped.filter((file) => file.path !== "core/errors.ts" && !file.path.startsWith("client/")),
      judge,
    );
    expectNone(found, "throw new ServingError(CODE, what, limit and remedy), or assert() for a bug of ours");
  });

  test("no program started by a name or through a shell where a path is meant", () => {
    const judge: Judge = (node, file) => {
      if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return undefined;
      const imported = file.imports.some(
        ({ library, names: taken }) => library === "node:child_process" && taken.includes(calledName(node)),
      );
      if (!imported) return undefined;
      const [program] = node.arguments;
      if (["exec", "execSync"].includes(calledName(node))) return `${calledName(node)}: a shell`;
      if (calledName(node) === "fork" || program?.getText(file.syntax) === "process.execPath") return undefined;
      if (program !== undefined && ts.isStringLiteral(program) && program.text === "node") return 'spawn("node")';
      return under(file, "test", "bench", ...STARTS_BY_NAME) ? undefined : `${calledName(node)}(${program?.getText(file.syntax) ?? ""})`;
    };
    expectNone(
      breaches([...shipped, ...tests, ...benchmarks], judge),
      "spawn(process.execPath, …): the Node that runs us, not the system's",
    );
  });

  test("no code out of data, and no expressions but those of files that are named here", () => {
    const judge: Judge = (node, file) => {
      const isMade = ts.isNewExpression(node) || ts.isCallExpression(node);
      if (isMade && ["eval", "Function"].includes(node.expression.getText(file.syntax))) return node.expression.getText(file.syntax);
      const isExpression = ts.isNewExpression(node) && node.expression.getText(file.syntax) === "RegExp";
      return isExpression && !under(file, ...MAKE_EXPRESSIONS) ? "new RegExp" : undefined;
    };
    const libraries = shipped.flatMap((file) =>
      file.imports.flatMap(({ library }) => (library === "node:vm" || library === "node:v8" ? [{ at: file.path, what: library }] : [])),
    );
    expectNone(
      [...breaches(shipped, judge), ...libraries],
      "a parser; texts of clients and models are searched for, never made into expressions",
    );
  });

  test("no re-export that hides where things live", () => {
    const judge: Judge = (node) =>
      ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && node.exportClause === undefined ? "export *" : undefined;
    expectNone(breaches(allFiles, judge), "import from the file that has it");
  });

  test("no left-over notes and no silenced tools", () => {
    const banned = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|nocheck|expect-error)|eslint-disable/;
    expectNone(linesWith(banned), "do it now, or write it into an issue; repair what the tool found");
  });

  test("no British spelling of the field's words", () => {
    const banned =
      /\b(\w*(tokenis|quantis|normalis|serialis|initialis|optimis|synchronis|organis|recognis|summaris|parallelis|maximis|minimis)(e|ed|es|er|ers|ing|ation)\w*|behaviours?|colours?|neighbours?|catalogue|licence)\b/i;
    expectNone(linesWith(banned), "American spelling, as the libraries and protocols have it");
  });

  test("no path of somebody's machine", () => {
    expectNone(linesWith(/["'`\s(](\/home\/[a-z]|\/root\/|\/Users\/)/), "a path below the cache, the repository or os.tmpdir()");
  });
});

const calledName = (call: ts.CallExpression): string => (ts.isIdentifier(call.expression) ? call.expression.text : "");

function linesWith(banned: RegExp): Breach[] {
  return allFiles
    .filter((file) => file.path !== "test/house/bans.test.ts")
    .flatMap((file) =>
      file.text.split("\n").flatMap((line, index) => {
        const match = banned.exec(line);
        return match === null ? [] : [{ at: `${file.path}:${index + 1}`, what: match[0].trim() }];
      }),
    );
}
