import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { Child, ChildStart, StartChild } from "../../../node-agent/runners/child.ts";
import { startLinuxChild } from "../../../node-agent/runners/linux-child.ts";
import { startNodeChild } from "../../../node-agent/runners/node-child.ts";

const PROGRAM = fileURLToPath(new URL("./child-program.ts", import.meta.url));

async function textOf(stream: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  let text = "";
  for await (const chunk of stream ?? []) text += Buffer.from(chunk).toString();
  return text;
}

/** What comes of the last order that the program is given over its channel. */
async function told(child: Child, order: string) {
  child.channel.on("error", () => {}); // a killed one leaves unread bytes
  child.channel.end(order);
  const [output, errors, channel, end] = await Promise.all([
    textOf(child.words[0]),
    textOf(child.words[1]),
    textOf(child.channel),
    child.ended,
  ]);
  return { output, errors, channel, end };
}

describe.each<{ readonly name: string; readonly start: StartChild }>([
  { name: "posix_spawn", start: startLinuxChild },
  { name: "Node", start: startNodeChild },
])("a child that $name starts", ({ start }) => {
  const begin = (more: Partial<ChildStart> = {}) =>
    start({
      interpreter: process.execPath,
      args: [PROGRAM, "a word", ""],
      environment: { ...process.env, CHILD_SAYS: "grün=1" },
      clock: systemClock,
      ...more,
    });

  test("gets its words and variables, answers over its channel, and what it writes is heard to the end", async () => {
    const { output, errors, channel, end } = await told(begin(), "exit 7");
    expect(JSON.parse(channel)).toEqual({ words: ["a word", ""], says: "grün=1", parent: process.pid, input: "" });
    expect([output.length, errors.length]).toEqual([300_000, 300_000]);
    expect(end).toEqual({ code: 7, signal: undefined });
  });

  test("is told from others by the signal that ended it", async () => {
    const { end } = await told(begin(), "abort");
    expect(end).toEqual({ code: undefined, signal: "SIGABRT" });
  });

  test("is killed, once", async () => {
    const child = begin();
    child.kill();
    expect((await told(child, "")).end).toEqual({ code: undefined, signal: "SIGKILL" });
    child.kill();
  });

  test("ends when its channel does", async () => {
    expect((await told(begin(), "")).end).toEqual({ code: 0, signal: undefined });
  });

  test("leaves no file open and no zombie", async () => {
    const files = () => readdirSync("/proc/self/fd").length;
    await told(begin(), "exit 0");
    const before = files();
    const children = Array.from({ length: 4 }, () => begin());
    await Promise.all(children.map((child) => told(child, "exit 0")));
    expect(files()).toBe(before);
    for (const { pid } of children) expect(() => process.kill(pid ?? 0, 0)).toThrow("ESRCH");
  });

  test("one that cannot be started says why, and has ended", async () => {
    const child = begin({ interpreter: "/nowhere/node" });
    child.kill();
    expect(child.pid).toBeUndefined();
    expect(await child.ended).toMatchObject({
      code: undefined,
      signal: undefined,
      failure: expect.stringMatching(/no such file|ENOENT/),
    });
  });

  test("is looked for on the PATH where its interpreter is a name", async () => {
    const child = begin({ interpreter: "sh", args: ["-c", "cat <&3; exit 3"] });
    expect((await told(child, "")).end).toEqual({ code: 3, signal: undefined });
  });
});
