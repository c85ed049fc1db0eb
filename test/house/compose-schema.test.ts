/** compose.yaml is what Compose's schema knows, and has nothing that dclint takes for an error; how it is sorted is ours to say. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DCLinter } from "dclint";
import { expect, onTestFinished, test } from "vitest";
import { ROOT } from "./source-tree.ts";

/** As dclint's own types, which this way of resolving modules does not find. */
interface LintedFile {
  readonly messages: readonly { readonly type: "error" | "warning"; readonly line: number; readonly message: string }[];
}

const FILE = join(ROOT, "compose.yaml");

function errorsIn(file: string): readonly string[] {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
  const files: readonly LintedFile[] = linter.lintFiles([file], false);
  const found = files.flatMap(({ messages }) => messages);
  return found.filter(({ type }) => type === "error").map(({ line, message }) => `${line}: ${message}`);
}

test("compose.yaml has no errors", () => {
  expect(errorsIn(FILE)).toEqual([]);
});

test("a key that Compose does not know is an error", () => {
  const folder = mkdtempSync(join(tmpdir(), "nereid-compose-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const wrong = join(folder, "compose.yaml");
  writeFileSync(wrong, readFileSync(FILE, "utf8").replace("  balancer:\n", "  balancer:\n    listens: yes\n"));
  expect(errorsIn(wrong)).not.toEqual([]);
});
