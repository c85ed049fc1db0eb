/** The project's files as the house tests see them: text, role and imports of each, read once. */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Folders at the top that are not ours to judge. */
const NOT_OURS = /(^|\/)(node_modules|coverage|dist|\.git|\.cache)(\/|$)|^protos\/gen\/|^test\/golden\//;

export interface Import {
  /** As written: `../core/clock.ts`, `node:fs`, `pino`. */
  readonly specifier: string;
  /** From the root, for files of the project. */
  readonly file: string | undefined;
  /** The package or the `node:` module; undefined for files of the project. */
  readonly library: string | undefined;
  /** Erased before the file runs. */
  readonly typeOnly: boolean;
  /** By `import()`. */
  readonly dynamic: boolean;
  readonly names: readonly string[];
}

export interface SourceFile {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lineCount: number;
  /** The first comment, undefined when the file does not open with one. */
  readonly role: string | undefined;
  readonly syntax: ts.SourceFile;
  readonly imports: readonly Import[];
}

const files = globSync("**/*.{ts,mjs}", { cwd: ROOT, exclude: (name) => NOT_OURS.test(path.relative(ROOT, path.resolve(ROOT, name))) })
  .map((name) => name.split(path.sep).join("/"))
  .filter((name) => !NOT_OURS.test(name))
  .sort()
  .map(readSource);

/** Everything we wrote. */
export const allFiles: readonly SourceFile[] = files;
/** What ships: no tests, no benchmarks, no configuration. */
export const sources: readonly SourceFile[] = files.filter((file) => file.path.includes("/") && !isTest(file) && !under(file, "bench"));
export const benchmarks: readonly SourceFile[] = files.filter((file) => under(file, "bench"));
export const tests: readonly SourceFile[] = files.filter(isTest);

export function isTest(file: { readonly path: string }): boolean {
  return file.path.startsWith("test/");
}

export function under(file: { readonly path: string } | string, ...folders: readonly string[]): boolean {
  const name = typeof file === "string" ? file : file.path;
  return folders.some((folder) => name === folder || name.startsWith(folder.endsWith("/") ? folder : `${folder}/`));
}

/** The first folder: `gateway`. */
export const programOf = (name: string): string => name.split("/", 1)[0] ?? "";

export const lineOf = (file: SourceFile, node: ts.Node): number =>
  file.syntax.getLineAndCharacterOfPosition(node.getStart(file.syntax)).line + 1;

/** Calls `look` with every node below the file. */
export function eachNode(file: SourceFile, look: (node: ts.Node) => void): void {
  const visit = (node: ts.Node): void => {
    look(node);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file.syntax, visit);
}

function readSource(name: string): SourceFile {
  const text = readFileSync(path.join(ROOT, name), "utf8");
  const syntax = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const opening = /^(?:#![^\n]*\n)?\/\*\*([\s\S]*?)\*\//.exec(text);
  return {
    path: name,
    text,
    lineCount: text.split("\n").length - 1,
    role: opening?.[1]?.replace(/^\s*\* ?/gm, "").trim(),
    syntax,
    imports: importsOf(name, syntax),
  };
}

function importsOf(from: string, syntax: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, rest: { typeOnly: boolean; dynamic: boolean; names: readonly string[] }) => {
    const isOurs = specifier.startsWith(".");
    found.push({
      specifier,
      file: isOurs ? path.posix.join(path.posix.dirname(from), specifier) : undefined,
      library: isOurs ? undefined : libraryOf(specifier),
      ...rest,
    });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, { ...clauseOf(node.importClause), dynamic: false });
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, { typeOnly: node.isTypeOnly, dynamic: false, names: [] });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteral(argument)) add(argument.text, { typeOnly: false, dynamic: true, names: [] });
    }
    ts.forEachChild(node, visit);
  };
  visit(syntax);
  return found;
}

function clauseOf(clause: ts.ImportClause | undefined): { typeOnly: boolean; names: readonly string[] } {
  const bindings = clause?.namedBindings;
  const elements = bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : undefined;
  const names = (elements ?? []).filter((element) => !element.isTypeOnly).map((element) => (element.propertyName ?? element.name).text);
  const allTypes =
    elements !== undefined && elements.length > 0 && elements.every((element) => element.isTypeOnly) && clause?.name === undefined;
  return { typeOnly: clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes, names };
}

/** `@scope/name/sub` → `@scope/name`; `node:fs/promises` → `node:fs`. */
function libraryOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}
