/** Who takes a program's logs may stall, go away, or have a full disk: the program goes on. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";

const LOGGER = pathToFileURL(path.resolve("core/telemetry/logger.ts")).href;
const LINES = 40_000;
/** Logs more than a pipe and the program itself hold, and has time for other things all the while. */
const PROGRAM = `
  import { createLogger } from ${JSON.stringify(LOGGER)};
  const logger = createLogger({ level: "info", form: "json" });
  for (let line = 0; line < ${LINES}; line += 1) {
    logger.info({ line }, "x".repeat(60));
    if (line % 100 === 0) await new Promise(setImmediate);
  }
  console.log("all said");
`;

function started(stderr: "pipe" | number = "pipe") {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", PROGRAM], { stdio: ["ignore", "pipe", stderr] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { stdout: child.stdout, stderr: child.stderr, ended: once(child, "exit") };
}

async function saysAll({ stdout }: ReturnType<typeof started>): Promise<void> {
  for await (const said of stdout ?? []) {
    expect(String(said)).toBe("all said\n");
    return;
  }
  throw new Error("it has ended before it said all");
}

describe("a program whose logs", () => {
  test("nobody reads for a while goes on, and ends when they are read", async () => {
    const child = started();
    await saysAll(child);
    const lines = (await text(child.stderr ?? Readable.from([]))).trimEnd().split("\n");
    expect((await child.ended)[0]).toBe(0);
    expect(lines.length).toBeLessThan(LINES); // what nobody could take was dropped, whole lines at a time
    expect(lines.map((line) => JSON.parse(line).line)).toContain(0);
  });

  test("are read comes to its last line", async () => {
    const child = started();
    const [logs] = await Promise.all([text(child.stderr ?? Readable.from([])), saysAll(child)]);
    expect(JSON.parse(logs.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ line: LINES - 1 });
  });

  test("go to somebody who has gone goes on to its end", async () => {
    const child = started();
    child.stderr?.destroy();
    await saysAll(child);
    expect((await child.ended)[0]).toBe(0);
  });

  test.runIf(existsSync("/dev/full"))("go to a full disk goes on to its end", async () => {
    const full = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(full));
    const child = started(full);
    await saysAll(child);
    expect((await child.ended)[0]).toBe(0);
  });
});
