/**
 * compose.yaml, read as Docker reads it: how its containers are held, and its gateways and agents as processes of their own, each
 * from its own command and environment, with the files that its image would have. Addresses of containers become loopback ones.
 */
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { run, type Started, start } from "../../engine/cli/command.ts";
import { ended, isReady } from "../../support/process-cluster.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { type RealServer, startNats, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { complete } from "../completion-client.ts";

interface Service {
  readonly image?: string;
  readonly build?: { readonly dockerfile: string; readonly target: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly read_only?: boolean;
  readonly user?: string;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly deploy?: { readonly resources: { readonly limits: Readonly<Record<string, string | number>> } };
}

const ROOT = path.resolve(import.meta.dirname, "../../..");
const SOON = { interval: 100, timeout: 90_000 };
const read = (name: string) => readFile(path.join(ROOT, name), "utf8");

const composed: { readonly services: Readonly<Record<string, Service>> } = parse(await read("compose.yaml"), { merge: true });
const services = Object.entries(composed.services);
const named = (pattern: RegExp) => services.filter(([name]) => pattern.test(name));
const dockerfile = await read("deploy/Dockerfile");

/** The lines of a target and of those that it is made from. */
function linesOf(target: string): readonly string[] {
  const [, from = "", lines = ""] =
    new RegExp(`^FROM (\\S+) AS ${target}\\n([\\s\\S]*?)(?=^FROM |(?![\\s\\S]))`, "m").exec(dockerfile) ?? [];
  return [...(dockerfile.includes(` AS ${from}\n`) ? linesOf(from) : []), ...lines.split("\n")];
}

describe("every container", () => {
  test.each(services)("%s has a read-only root, no rights and limits", (_, { read_only, cap_drop, security_opt, deploy }) => {
    expect({ read_only, cap_drop, security_opt }).toEqual({ read_only: true, cap_drop: ["ALL"], security_opt: ["no-new-privileges:true"] });
    expect(Object.keys(deploy?.resources.limits ?? {}).toSorted()).toEqual(["cpus", "memory", "pids"]);
  });

  test.each(services.filter(([name]) => name !== "models"))("%s has a health check", (_, { healthcheck }) => {
    expect(healthcheck?.test[0]).toBe("CMD");
  });

  test("of ours runs as a user without rights", () => {
    for (const [name, { build }] of services.filter(([, service]) => service.build !== undefined)) {
      expect(build?.dockerfile, name).toBe("deploy/Dockerfile");
      expect(linesOf(build?.target ?? ""), name).toContain("USER node");
    }
  });

  test("is reached from this machine alone, and only through the balancer", () => {
    const open = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(open).toEqual(["balancer 127.0.0.1:8000:8000", "balancer 127.0.0.1:8001:8001"]);
  });

  test("of a gateway is known to the balancer", async () => {
    const balancer = await read("deploy/haproxy.cfg");
    for (const [name] of named(/^gateway-/)) {
      expect(balancer).toContain(`server ${name} ${name}:8000`);
      expect(balancer).toContain(`server ${name} ${name}:8001`);
    }
  });
});

describe("the cluster of compose.yaml", () => {
  let scratch: string;
  let cache: ShardCache;
  let nats: RealServer;
  let redis: RealServer;
  const started = new Map<string, Started>();
  let urls: readonly string[];

  /** What the image holds, with our packages. */
  async function imageOf(target: string): Promise<string> {
    const folder = path.join(scratch, target);
    const copied = linesOf(target).flatMap((line) => /^COPY (?!--)(\S+) \S+$/.exec(line)?.[1] ?? []);
    for (const name of copied) await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true });
    await symlink(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));
    return path.join(folder, "cli", "main.ts");
  }

  function environmentOf({ environment = {}, build }: Service): Record<string, string> {
    const image = linesOf(build?.target ?? "").flatMap((line) => (line.startsWith("ENV ") ? line.slice(4).split(" ") : []));
    const all = { ...Object.fromEntries(image.map((pair) => pair.split("="))), ...environment };
    const here = (value: string) => value.replace("nats://nats:4222", nats.url).replace("redis://redis:6379", redis.url);
    return {
      ...Object.fromEntries(Object.entries(all).map(([name, value]) => [name, here(String(value))])),
      NEREID_HOST: "127.0.0.1",
      NEREID_MODELS: path.dirname(realModelFolder()),
      NEREID_CACHE: cache.folder,
      NEREID_THREADS: "1",
    };
  }

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), "nereid-compose-"));
    [cache, nats, redis] = await Promise.all([shardCache(), startNats(), startRedis()]);
    const programs = new Map([
      ["gateway", await imageOf("gateway")],
      ["agent", await imageOf("agent")],
    ]);
    for (const [name, service] of named(/^(gateway|agent)-/)) {
      const ports = name.startsWith("gateway") ? ["--port", "0", "--grpc-port", "0", "--metrics-port", "0"] : [];
      const args = [programs.get(service.build?.target ?? "") ?? "", ...(service.command ?? []), ...ports];
      started.set(name, start(args, environmentOf(service)));
    }
    const said = await Promise.all(named(/^gateway-/).map(([name]) => started.get(name)?.printed("metrics: ")));
    urls = said.map((text = "") => /HTTP: (\S+)/.exec(text)?.[1] ?? "");
  });
  afterAll(async () => {
    await Promise.all([...started.values()].map((process) => process[Symbol.asyncDispose]()));
    await Promise.all([nats, redis, cache].map((one) => one?.[Symbol.asyncDispose]()));
    await rm(scratch, { recursive: true, force: true });
  });

  test("answers at both gateways, its model cut over two of three agents", async () => {
    for (const url of urls) await vi.waitFor(async () => expect(await isReady(url)).toBe(true), SOON);
    const texts = await Promise.all(
      urls.map(async (url) => (await complete(url, { prompt: "The capital of France is", max_tokens: 4, temperature: 0 })).text),
    );
    expect(texts).toHaveLength(2);
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain("Paris");
  });

  test("finds its agents healthy by their own check", async () => {
    for (const [name, service] of named(/^agent-/)) {
      const [, program, ...args] = service.healthcheck?.test ?? [];
      expect(program).toBe("node");
      const check = args.map((arg) =>
        arg.replace("http://balancer:8000", urls[0] ?? "").replace("cli/main.ts", path.join(ROOT, "cli/main.ts")),
      );
      const { code, stderr } = await run(check, environmentOf(service));
      expect(code, `${name}: ${stderr}`).toBe(0);
    }
  });

  test("ends with 0 when it is told to stop", async () => {
    const processes = [...started.entries()];
    const codes = await Promise.all(processes.map(async ([name, process]) => [name, (await ended(process, "SIGTERM")).code]));
    expect(codes).toEqual(processes.map(([name]) => [name, 0]));
  });
});
