/** Names: of files, and of tests, which are promises. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, test } from "vitest";
import { allFiles, eachNode, lineOf, ROOT, type SourceFile, tests } from "./source-tree.ts";
import { type Breach, expectNone } from "./violations.ts";

const testFiles = tests.filter((file) => file.path.endsWith(".test.ts"));

describe("names", () => {
  test("no file is a drawer or a barrel", () => {
    const drawer = /(^|[/-])(utils?|helpers?|common|misc|stuff)\.(ts|mjs)$|(^|\/)(shared|index)\.(ts|mjs)$/;
    const found = allFiles.filter((file) => drawer.test(file.path)).map((file) => ({ at: file.path, what: "says nothing of its content" }));
    expectNone(found, "one idea a file, named after it");
  });

  test("files and folders are written in small letters with hyphens", () => {
    const found = allFiles
      .filter((file) => !/^[a-z0-9][a-z0-9.-]*(\/[a-z0-9][a-z0-9.-]*)*$/.test(file.path))
      .map((file) => ({ at: file.path, what: "other characters" }));
    expectNone(found, "block-pool.ts");
  });

  test("every test file is collected by a project", () => {
    const found = testFiles
      .filter((file) => !/^test\/(unit|contract|scenarios|simulation|house|engine|cluster|protocol)\//.test(file.path))
      .map((file) => ({ at: file.path, what: "would never run" }));
    expectNone(found, "a folder that vitest.config.ts names");
  });

  test("unit tests lie where what they test lies", () => {
    const found = testFiles
      .map((file) => /^test\/unit\/(.+)\/[^/]+$/.exec(file.path)?.[1])
      .filter((folder) => folder !== undefined)
      .filter((folder) => !existsSync(join(ROOT, folder)))
      .map((folder) => ({ at: `test/unit/${folder}`, what: `there is no ${folder}/` }));
    expectNone(found, "test/unit/<folder of the source>/<name>.test.ts");
  });

  test("a test's name is a promise in a plain sentence", () => {
    const found = testFiles.flatMap((file) => testNames(file).flatMap(({ at, path }) => judgeName(at, path)));
    expectNone(found, 'what holds, and when: "a part batch leaves when its oldest row has waited 5 ms"');
  });

  test("no two tests of a block have the same name", () => {
    const found = testFiles.flatMap((file) => {
      const seen = new Set<string>();
      return testNames(file).flatMap(({ at, path }) => {
        const known = seen.has(path);
        seen.add(path);
        return known ? [{ at, what: path }] : [];
      });
    });
    expectNone(found, "say what is different about the second");
  });

  test("no test is left out, singled out, retried, mocked or slept through", () => {
    const banned =
      /\b(test|it|describe)\.(only|skip|todo|fails)\b|\bretry:|\bvi\.(fn|mock|spyOn|useFakeTimers|stubGlobal)\b|\bsetTimeout\(|node:timers\/promises/;
    const found = tests
      .filter((file) => file.path !== "test/house/names.test.ts" && file.path !== "test/house/bans.test.ts")
      .filter((file) => !file.path.startsWith("test/support/") && !file.path.startsWith("test/house/purity"))
      .flatMap((file) =>
        file.text.split("\n").flatMap((line, index) => {
          const match = banned.exec(line);
          return match === null ? [] : [{ at: `${file.path}:${index + 1}`, what: match[0] }];
        }),
      );
    expectNone(
      found,
      "real implementations of the ports, the fake clock, waiting for an event; a test that cannot run here uses skipIf with the reason",
    );
  });
});

interface NamedTest {
  readonly at: string;
  /** With the names of the blocks around it. */
  readonly path: string;
}

/** Tests whose name is written out; `test.each` names are judged as templates. */
function testNames(file: SourceFile): NamedTest[] {
  const found: NamedTest[] = [];
  eachNode(file, (node) => {
    const name = namedCall(node, /^(test|it)(\.|$)/);
    if (name === undefined) return;
    const blocks: string[] = [];
    for (let above = node.parent; above !== undefined; above = above.parent) blocks.unshift(namedCall(above, /^describe(\.|$)/) ?? "");
    found.push({ at: `${file.path}:${lineOf(file, node)}`, path: [...blocks.filter((block) => block !== ""), name].join(" > ") });
  });
  return found;
}

function namedCall(node: ts.Node, callee: RegExp): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  const [title, body] = node.arguments;
  if (title === undefined || body === undefined || !ts.isStringLiteralLike(title)) return undefined;
  return callee.test(node.expression.getText()) ? title.text : undefined;
}

function judgeName(at: string, path: string): Breach[] {
  if (path.split(/[\s>]+/).length < 3 && !path.includes("%")) return [{ at, what: `'${path}' is no sentence` }];
  return /\bshould\b|\bworks( correctly| fine)?$|\bcorrectly\b/i.test(path) ? [{ at, what: `'${path}' promises nothing` }] : [];
}
