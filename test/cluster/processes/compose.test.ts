/**
 * compose.yaml, read as Docker reads it: how its containers are held, and its gateways and agents as processes of their own, each
 * from its own command and environment, with the files and packages that its image would have; NATS and Redis with the users that it
 * gives them. Addresses of containers become loopback ones.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { run, type Started, start } from "../../engine/cli/command.ts";
import { ended, isReady } from "../../support/process-cluster.ts";
import { realModelFolder } from "../../support/real-model.ts";
import { type RealServer, startNats, startRedis } from "../../support/real-servers.ts";
import { type ShardCache, shardCache } from "../../support/replica.ts";
import { startTraceReceiver, type TraceReceiver } from "../../support/trace-receiver.ts";
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

interface Scraped {
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
}

const ROOT = path.resolve(import.meta.dirname, "../../..");
const SOON = { interval: 100, timeout: 90_000 };
const read = (name: string) => readFile(path.join(ROOT, name), "utf8");

/** As in the `.env` that the script makes. */
const passwords = new Map(
  execFileSync("sh", [path.join(ROOT, "deploy/passwords.sh")], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
);
const composeText = (await read("compose.yaml")).replaceAll(/\$\{(\w+):\?\}/g, (variable, name) => passwords.get(name) ?? variable);
const composed: { readonly services: Readonly<Record<string, Service>> } = parse(composeText, { merge: true });
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

  test.each(services.filter(([name]) => name !== "models" && name !== "collector"))("%s has a health check", (_, { healthcheck }) => {
    expect(healthcheck?.test[0]).toBe("CMD");
  });

  test("of others runs as a user without rights, of an image with its version", () => {
    for (const [name, { image, user }] of services.filter(([, service]) => service.image !== undefined)) {
      expect(image, name).toMatch(/:v?\d+\.\d+(\.\d+)?(-alpine)?$/);
      if (name !== "balancer") expect(user, name).toMatch(/^[1-9]\d*:\d+$/); // HAProxy's image has a user of its own
    }
  });

  test("has a password of its own, long and random, or no login", () => {
    expect([...passwords.keys()]).toEqual(["GATEWAY_PASSWORD", "AGENT_1_PASSWORD", "AGENT_2_PASSWORD", "AGENT_3_PASSWORD"]);
    expect(new Set(passwords.values()).size).toBe(4);
    for (const password of passwords.values()) expect(password).toMatch(/^p[0-9a-f]{48}$/);
    expect(composeText).not.toContain("${");
  });

  test("of ours runs as a user without rights", () => {
    for (const [name, { build }] of services.filter(([, service]) => service.build !== undefined)) {
      expect(build?.dockerfile, name).toBe("deploy/Dockerfile");
      expect(linesOf(build?.target ?? ""), name).toContain("USER node");
    }
  });

  test("is reached from this machine alone, and only the balancer and what shows traces and metrics", () => {
    const open = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(open).toEqual([
      "balancer 127.0.0.1:8000:8000",
      "balancer 127.0.0.1:8001:8001",
      "jaeger 127.0.0.1:16686:16686",
      "prometheus 127.0.0.1:9090:9090",
      "grafana 127.0.0.1:3000:3000",
    ]);
  });

  test("that mounts a file of ours mounts one that is there", async () => {
    const mounted = services.flatMap(([, { volumes = [] }]) => volumes.flatMap((volume) => /^(\.\/[^:]+):.*:ro$/.exec(volume)?.[1] ?? []));
    expect(mounted.length).toBeGreaterThan(5);
    for (const name of mounted) expect(existsSync(path.join(ROOT, name)), name).toBe(true);
  });

  test("of a gateway or an agent is asked for its metrics by Prometheus", async () => {
    const { scrape_configs }: { readonly scrape_configs: readonly Scraped[] } = parse(await read("deploy/prometheus/prometheus.yml"));
    const targets = scrape_configs.flatMap(({ static_configs }) => static_configs.flatMap((scraped) => scraped.targets));
    expect(targets).toEqual([...named(/^gateway-/), ...named(/^agent-/)].map(([name]) => `${name}:8002`));
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
  let collector: TraceReceiver;
  const started = new Map<string, Started>();
  let urls: readonly string[];

  /** What the image holds, with our packages. */
  async function imageOf(target: string): Promise<string> {
    const folder = path.join(scratch, target);
    const copied = linesOf(target).flatMap((line) => /^COPY (?!--)(\S+) \S+$/.exec(line)?.[1] ?? []);
    for (const name of copied) await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true });
    const [, from = ""] = /^COPY --from=(\S+) \S+node_modules /m.exec(linesOf(target).join("\n")) ?? [];
    const removed = linesOf(from).flatMap((line) => (line.startsWith("RUN rm -r ") ? line.slice("RUN rm -r ".length).split(" ") : []));
    const packages = path.join(folder, "node_modules");
    await mkdir(packages);
    for (const name of await readdir(path.join(ROOT, "node_modules"))) {
      if (!removed.includes(`node_modules/${name}`)) await symlink(path.join(ROOT, "node_modules", name), path.join(packages, name));
    }
    return path.join(folder, "cli", "main.ts");
  }

  /** Those of its command, as lines of its configuration. */
  function redisUsers(): string {
    const options = composed.services["redis"]?.command?.join(" ").split(" --") ?? [];
    return options.filter((option) => option.startsWith("user ")).join("\n");
  }

  function environmentOf({ environment = {}, build }: Service): Record<string, string> {
    const image = linesOf(build?.target ?? "").flatMap((line) => (line.startsWith("ENV ") ? line.slice(4).split(" ") : []));
    const all = { ...Object.fromEntries(image.map((pair) => pair.split("="))), ...environment };
    const here = (value: string) =>
      value
        .replace("nats:4222", new URL(nats.url).host)
        .replace("redis:6379", new URL(redis.url).host)
        .replace("http://collector:4318", collector.endpoint);
    return {
      ...Object.fromEntries(Object.entries(all).map(([name, value]) => [name, here(String(value))])),
      NEREID_HOST: "127.0.0.1",
      NEREID_METRICS_PORT: "0",
      NEREID_MODELS: path.dirname(realModelFolder()),
      NEREID_CACHE: cache.folder,
      NEREID_THREADS: "1",
    };
  }

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), "nereid-compose-"));
    const natsUsers = startNats(await read("deploy/nats/nats.conf"), composed.services["nats"]?.environment);
    [cache, nats, redis, collector] = await Promise.all([shardCache(), natsUsers, startRedis(redisUsers()), startTraceReceiver()]);
    const programs = new Map([
      ["gateway", await imageOf("gateway")],
      ["agent", await imageOf("agent")],
    ]);
    for (const [name, service] of named(/^(gateway|agent)-/)) {
      const ports = name.startsWith("gateway") ? ["--port", "0", "--grpc-port", "0"] : [];
      const args = [programs.get(service.build?.target ?? "") ?? "", ...(service.command ?? []), ...ports];
      started.set(name, start(args, environmentOf(service)));
    }
    const said = await Promise.all(named(/^gateway-/).map(([name]) => started.get(name)?.printed("metrics: ")));
    urls = said.map((text = "") => /HTTP: (\S+)/.exec(text)?.[1] ?? "");
  });
  afterAll(async () => {
    await Promise.all([...started.values()].map((process) => process[Symbol.asyncDispose]()));
    await Promise.all([nats, redis, collector, cache].map((one) => one?.[Symbol.asyncDispose]()));
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

  test("tells Prometheus of each node what its stages have done", async () => {
    const texts = await Promise.all(
      named(/^agent-/).map(async ([name]) => {
        const [, url = ""] = /metrics: (\S+)/.exec((await started.get(name)?.printed("metrics: ")) ?? "") ?? [];
        return [name, await (await fetch(url)).text()] as const;
      }),
    );
    const steps = texts.flatMap(([name, text]) => new RegExp(`nereid_steps_total\\{[^}]*node="${name}"[^}]*\\} [1-9]`).exec(text) ?? []);
    expect(steps, "the lead's node has counted").toHaveLength(1);
  });

  test("ends with 0 when it is told to stop, and was never refused what it needs at NATS and Redis", async () => {
    const processes = [...started.entries()];
    const all = await Promise.all(processes.map(async ([name, process]) => [name, await ended(process, "SIGTERM")] as const));
    expect(all.map(([name, { code }]) => [name, code])).toEqual(processes.map(([name]) => [name, 0]));
    for (const [name, { stderr }] of all) expect(stderr, name).not.toMatch(/permissions violation|NOPERM|PERMISSION_DENIED|Authorization/i);
  });

  test("has told the collector of both requests, from the door to the stages on other nodes", () => {
    const roots = collector.spans.filter(({ name }) => name === "POST /v1/completions");
    expect(new Set(roots.map(({ traceId }) => traceId)).size).toBe(2);
    for (const { traceId } of roots) {
      const names = collector.spans.filter((span) => span.traceId === traceId).map(({ name }) => name);
      for (const name of ["generate", "submit", "queue", "prefill", "decode", "stage 0", "stage 1"]) expect(names).toContain(name);
    }
  });
});
