/** A started cluster: the requests of README.md are answered, and nothing is left when it ends, however it ends. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { familyOf } from "../../../bench/processes.ts";
import { MAIN, run, SETUP, type Started, start, stillThere } from "./command.ts";

const PORTS = ["--port", "0", "--grpc-port", "0", "--metrics-port", "0"];
const GONE_MS = 10_000;

async function addresses(cluster: Started): Promise<{ readonly http: string; readonly metrics: string }> {
  const said = await cluster.printed("Ctrl-C\n");
  const after = (label: string) => new RegExp(`${label} +(http://[^ /]+)`).exec(said)?.[1] ?? "";
  return { http: after("HTTP"), metrics: after("metrics") };
}

function idOf({ child }: Started): number {
  if (child.pid === undefined) throw new Error("assertion failed: the command has started");
  return child.pid;
}

describe("a started cluster", () => {
  let cluster: Started;
  let http: string;
  let metrics: string;
  beforeAll(async () => {
    cluster = start([MAIN, "up", ...PORTS]);
    ({ http, metrics } = await addresses(cluster));
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const requests = /<!-- requests[^>]*-->\n([\s\S]*?)<!-- \/requests -->/.exec(readme)?.[1] ?? "";
  const commands = [...requests.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, command = ""]) => command);

  test("has a request of each kind in README.md", () => {
    expect(commands).toHaveLength(10);
  });

  test.each(commands)("answers this request of README.md: %s", (command) => {
    const here = command.replaceAll("http://127.0.0.1:8000", http).replaceAll("http://127.0.0.1:8002", metrics);
    const { status, stdout, stderr } = spawnSync("sh", ["-c", here.replace("curl ", "curl -sS --fail-with-body --max-time 60 ")], {
      encoding: "utf8",
    });
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).not.toContain('"error"');
    if (here.includes('"stream": true') && here.includes("/v1/")) expect(stdout).toMatch(/data: \[DONE\]\n\n$/);
    if (here.includes("temperature")) expect(stdout).toMatch(/Paris|"text"|"text_output"/);
    if (here.includes("/metrics")) expect(stdout).toContain("# HELP");
  });

  test("answers nereid chat from a pipe", async () => {
    const { code, stdout, stderr } = await run([MAIN, "chat", "--url", http], {}, "Say hello.");
    expect(code, stderr).toBe(0);
    expect(stdout.trim()).not.toBe("");
  });

  test("ends on one Ctrl-C with exit code 0, and takes its runners with it", async () => {
    const family = familyOf(idOf(cluster));
    expect(family.length).toBeGreaterThan(2);
    cluster.child.kill("SIGINT");
    expect(await cluster.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/stopping …\n$/) });
    expect(await stillThere(family, GONE_MS)).toEqual([]);
  });
});

describe("a cluster leaves no process behind", () => {
  test("when it is killed", async () => {
    await using cluster = start([MAIN, "up", ...PORTS]);
    await addresses(cluster);
    const family = familyOf(idOf(cluster));
    cluster.child.kill("SIGKILL");
    expect(await stillThere(family, GONE_MS)).toEqual([]);
  });

  test("when the set-up that started it is killed", async () => {
    await using setup = start([SETUP, "start", ...PORTS]);
    await addresses(setup);
    const family = familyOf(idOf(setup));
    expect(family.length).toBeGreaterThan(3);
    setup.child.kill("SIGKILL");
    expect(await stillThere(family, GONE_MS)).toEqual([]);
  });

  test("when the set-up is asked to end, and the signal reaches both of them", async () => {
    await using setup = start([SETUP, "start", ...PORTS]);
    await addresses(setup);
    const family = familyOf(idOf(setup));
    for (const id of family.slice(0, 2)) process.kill(id, "SIGINT"); // as a terminal does
    expect(await setup.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/stopping …\n$/) });
    expect(await stillThere(family, GONE_MS)).toEqual([]);
  });
});
