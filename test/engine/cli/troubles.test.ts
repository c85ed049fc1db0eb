/** What goes wrong at a start is one line that says what to do, exit code 1 and no stack trace. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAIN, run } from "./command.ts";

const PORTS = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0"];
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nereid-troubles-"));
});
afterEach(() => rmSync(root, { recursive: true }));

async function failureOf(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await run([MAIN, ...args], { NEREID_LOG_LEVEL: "silent" });
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(/^nereid: [^\n]+\n$/);
  expect(stderr).not.toContain("unexpected error");
  return stderr;
}

function brokenModel(content: string): string[] {
  mkdirSync(join(root, "broken/1"), { recursive: true });
  writeFileSync(join(root, "broken/1/model.gguf"), content);
  return ["--models", root, "--model", "broken"];
}

describe("a start that fails", () => {
  test("names the port that is taken", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const address = holder.address();
    const port = String(typeof address === "object" && address !== null ? address.port : 0);
    expect(await failureOf("up", "--port", port, "--grpc-port", "0", "--metrics-port", "0")).toContain(port);
    await new Promise((resolve) => holder.close(resolve));
  });

  test("names the model that is missing, and what there is", async () => {
    expect(await failureOf("up", ...PORTS, "--models", root, "--model", "absent")).toContain(
      `there is no model absent in ${root} (there: none)`,
    );
  });

  test("says that a file is broken", async () => {
    expect(await failureOf("up", ...PORTS, ...brokenModel("no checkpoint at all"))).toContain("broken");
    expect(await failureOf("up", ...PORTS, ...brokenModel(`GGUF${"\0".repeat(64)}`))).toContain("broken");
  });

  // 4,096 slots of 8,192 tokens want some 390 GB.
  test.skipIf(totalmem() > 350e9)("says that there is too little memory", async () => {
    expect(await failureOf("up", ...PORTS, "--nodes", "1", "--slots", "4096")).toMatch(/needs about \d+ MiB of memory .* use fewer slots/);
  });

  test("says that there are not so many layers", async () => {
    expect(await failureOf("up", ...PORTS, "--stages", "31")).toMatch(/30/);
  });

  test("names the setting that is wrong", async () => {
    expect(await failureOf("up", "--nodes", "none")).toContain('--nodes: "none" is not allowed; allowed: 1 to 16');
  });

  test("says that no server listens", async () => {
    expect(await failureOf("chat", "--url", "http://127.0.0.1:9")).toContain("start one with npm start");
  });
});
