/**
 * h2spec (github.com/summerwind/h2spec) against the gRPC server. It is built once, into the cache, with a Go that is found or fetched;
 * where there can be none, the test says so in its name, with which `npm test` ends.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { fetchPrograms, findProgram } from "../../cli/setup/servers.mjs";
import { testCache } from "../support/cache-root.ts";
import { startGrpcDoor } from "./grpc-door.ts";
import { ECHO, TestMethods } from "./grpc-test-methods.ts";

const TOOLS = join(testCache().root, "tools");
const H2SPEC = join(TOOLS, "h2spec");
/** Its go.mod and go.sum fix the versions of all that is built. */
const SOURCE = fileURLToPath(new URL("../support/h2spec", import.meta.url));
const BUILD_MS_MAX = 240_000;
const RUN_MS_MAX = 100_000;

/** undefined: it is there. */
async function whyMissing(): Promise<string | undefined> {
  if (existsSync(H2SPEC)) return undefined;
  const why = await fetchPrograms(["go"], () => () => {});
  const go = findProgram("go");
  if (go === undefined) return `there is no Go: ${why}`;
  mkdirSync(TOOLS, { recursive: true });
  const env = { ...process.env, GOFLAGS: "-mod=readonly -buildvcs=false" };
  const args = [go, "build", "-o", H2SPEC, "github.com/summerwind/h2spec/cmd/h2spec"];
  const { status, stderr } = spawnSync("nice", args, { cwd: SOURCE, env, timeout: BUILD_MS_MAX, encoding: "utf8" });
  return status === 0 ? undefined : `h2spec cannot be built: ${stderr.trim().slice(-300)}`;
}

/** The titles of the cases that failed; undefined: this is no report. */
function failures(report: string): readonly string[] | undefined {
  if (!/145 tests, \d+ passed/.test(report)) return undefined;
  const list = report.slice(report.lastIndexOf("Failures:"));
  return [...list.matchAll(/× \d+: (.+)/g)].map(([, title = ""]) => title.trim());
}

const missing = await whyMissing();
const without = missing === undefined ? "" : ` (${missing})`;

test.skipIf(missing !== undefined)(
  `the server keeps HTTP/2 as h2spec has it, all of its cases${without}`,
  { timeout: RUN_MS_MAX },
  async () => {
    await using door = await startGrpcDoor({ methods: new TestMethods().all() });
    const args = ["--port", String(door.port), "--path", ECHO, "--timeout", "1"];
    const { stdout } = await promisify(execFile)(H2SPEC, args, { timeout: RUN_MS_MAX }).catch(
      (failed: { readonly stdout: string }) => failed,
    );
    expect(failures(stdout)).toEqual([]);
  },
);
