/**
 * h2spec (github.com/summerwind/h2spec) against the gRPC server. It is built once where Go is there, into the cache; without Go there is
 * nothing to run.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { testCache } from "../support/cache-root.ts";
import { startGrpcDoor } from "./grpc-door.ts";
import { ECHO, TestMethods } from "./grpc-test-methods.ts";

const TOOLS = join(testCache().root, "tools");
const H2SPEC = join(TOOLS, "h2spec");
const MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
const BUILD_MS_MAX = 240_000;
const RUN_MS_MAX = 100_000;

function isBuilt(): boolean {
  if (existsSync(H2SPEC)) return true;
  mkdirSync(TOOLS, { recursive: true });
  const built = spawnSync("nice", ["go", "install", MODULE], { env: { ...process.env, GOBIN: TOOLS }, timeout: BUILD_MS_MAX });
  return built.status === 0;
}

/** The titles of the cases that failed; undefined: this is no report. */
function failures(report: string): readonly string[] | undefined {
  if (!/145 tests, \d+ passed/.test(report)) return undefined;
  const list = report.slice(report.lastIndexOf("Failures:"));
  return [...list.matchAll(/× \d+: (.+)/g)].map(([, title = ""]) => title.trim());
}

test.skipIf(!isBuilt())("the server keeps HTTP/2 as h2spec has it, all of its cases", { timeout: RUN_MS_MAX }, async () => {
  await using door = await startGrpcDoor({ methods: new TestMethods().all() });
  const args = ["--port", String(door.port), "--path", ECHO, "--timeout", "1"];
  const { stdout } = await promisify(execFile)(H2SPEC, args, { timeout: RUN_MS_MAX }).catch(
    (failed: { readonly stdout: string }) => failed,
  );
  expect(failures(stdout)).toEqual([]);
});
