/**
 * Generates TypeScript from the .proto files: `node protos/generate.mjs [FOLDER]`, by default into protos/gen. What it writes is
 * committed; test/unit/protos holds that it is what this script writes.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PROTOS = fileURLToPath(new URL(".", import.meta.url));
const { resolve } = createRequire(import.meta.url);

const folder = path.resolve(process.argv[2] ?? path.join(PROTOS, "gen"));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const compiler = path.join(path.dirname(resolve("protoc/package.json")), "protoc.cjs");
const plugin = path.join(PROTOS, "../node_modules/.bin/protoc-gen-es");
const { status } = spawnSync(
  process.execPath,
  [
    compiler,
    `--plugin=protoc-gen-es=${plugin}`,
    `--es_out=${folder}`,
    // erasable_syntax: Node runs the files as they are, and it refuses enums.
    "--es_opt=target=ts,import_extension=ts,erasable_syntax=true",
    `--proto_path=${PROTOS}`,
    ...globSync("**/*.proto", { cwd: PROTOS }).sort(),
  ],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
