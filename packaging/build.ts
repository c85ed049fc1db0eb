/**
 * Makes dist/, what the package ships: JavaScript and types, since Node strips no types under node_modules. Files keep their places,
 * so that what finds others by `new URL("./name.ts", import.meta.url)` still does, once the ending is rewritten.
 */
import { cpSync, globSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { assert } from "../core/errors.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(ROOT, "dist");
/** What programs need besides what is compiled. */
const ASSETS = ["gateway/**/*.html", "cli/setup/*.mjs", "node-agent/runners/python/**/*.py"];

rmSync(DIST, { recursive: true, force: true });
const problems = emit();
for (const asset of globSync(ASSETS, { cwd: ROOT })) cpSync(join(ROOT, asset), join(DIST, asset));
process.stderr.write(
  ts.formatDiagnostics(problems, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => ROOT, getNewLine: () => "\n" }),
);
process.exitCode = problems.length === 0 ? 0 : 1;

function emit(): readonly ts.Diagnostic[] {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined };
  const config = ts.getParsedCommandLineOfConfigFile(join(ROOT, "tsconfig.build.json"), {}, host);
  assert(config !== undefined, "tsconfig.build.json can be read");
  const program = ts.createProgram(config.fileNames, config.options);
  const { diagnostics } = program.emit(undefined, undefined, undefined, false, {
    before: [rewritePaths],
    afterDeclarations: [rewriteImportsOfTypes],
  });
  return [...config.errors, ...ts.getPreEmitDiagnostics(program), ...diagnostics];
}

/** The compiler rewrites the endings of imports in JavaScript alone. */
function rewriteImportsOfTypes(context: ts.TransformationContext): ts.Transformer<ts.SourceFile | ts.Bundle> {
  const visit = (node: ts.Node): ts.Node => {
    const isSpecifier = ts.isStringLiteral(node) && isSource(node);
    return isSpecifier ? asBuilt(node, context) : ts.visitEachChild(node, visit, context);
  };
  return (source) => ts.visitEachChild(source, visit, context);
}

/** `new URL("./name.ts", import.meta.url)` and `import("./name.ts")` name the built file. */
function rewritePaths(context: ts.TransformationContext): ts.Transformer<ts.SourceFile> {
  const { factory } = context;
  const visit = (node: ts.Node): ts.Node => {
    const [file, ...rest] = (ts.isNewExpression(node) || ts.isCallExpression(node) ? node.arguments : undefined) ?? [];
    if (file === undefined || !ts.isStringLiteral(file) || !isSource(file)) return ts.visitEachChild(node, visit, context);
    const built = [asBuilt(file, context), ...rest];
    if (ts.isNewExpression(node) && isUrlOfModule(node)) return factory.updateNewExpression(node, node.expression, undefined, built);
    const isImport = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    return isImport ? factory.updateCallExpression(node, node.expression, undefined, built) : node;
  };
  return (source) => ts.visitEachChild(source, visit, context);
}

function isUrlOfModule({ expression, arguments: given }: ts.NewExpression): boolean {
  return ts.isIdentifier(expression) && expression.text === "URL" && given?.[1]?.getText() === "import.meta.url";
}

function isSource({ text }: ts.StringLiteral): boolean {
  return /^\.{1,2}\/.*\.ts$/.test(text);
}

function asBuilt({ text }: ts.StringLiteral, { factory }: ts.TransformationContext): ts.StringLiteral {
  return factory.createStringLiteral(text.replace(/\.ts$/, ".js"));
}
