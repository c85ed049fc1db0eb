/** Who may call what, over every route of every door: a table made from the routes themselves, so that none can be forgotten. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../core/random.ts";
import { type Access, type AccessClass, API_GROUPS } from "../../gateway/access/access.ts";
import { newApiKey } from "../../gateway/access/api-keys.ts";
import { BodyParsers } from "../../gateway/http/body-parser.ts";
import { noTensorServing } from "../../gateway/kserve/tensor-serving.ts";
import { kserveGrpcMethods } from "../../gateway/kserve-grpc/methods.ts";
import { ScriptedText } from "../support/scripted-text.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";
import { RawClient } from "./raw-client.ts";
import { scriptedRoutes } from "./scripted-gateway.ts";

const text = new ScriptedText();
const routes = scriptedRoutes(text, new BodyParsers());
const random = seededRandom(1n);
const methods = kserveGrpcMethods({
  identity: { name: "nereid", version: "0" },
  generation: text,
  models: text,
  random,
  tensors: noTensorServing({ list: () => [] }),
});
const HTTP = routes.map((route) => ({ ...route, name: `${route.method} ${route.path}` }));
const GRPC = methods.map((method) => ({ ...method, name: `${method.service}/${method.method}` }));

const KEYS = {
  inference: newApiKey(random, { tenant: "acme", access: ["inference"] }),
  control: newApiKey(random, { tenant: "ops", access: ["control"] }),
  "model-read": newApiKey(random, { tenant: "eyes", access: ["model-read"] }),
  metrics: newApiKey(random, { tenant: "eyes", access: ["metrics"] }),
};
/** Well-formed, and of nobody. */
const REVOKED = newApiKey(random, { tenant: "acme", access: ["inference", "control"] }).key;
const KEY_LINES = Object.values(KEYS)
  .map(({ line }) => line)
  .join(";");

/** A key of the right id with another secret. */
const forged = `${KEYS.control.key.slice(0, -1)}${KEYS.control.key.endsWith("0") ? "1" : "0"}`;

const SHOWN: readonly (readonly [what: string, authorization: string | undefined, access: readonly AccessClass[] | undefined])[] = [
  ["no key", undefined, undefined],
  ["no bearer", "Basic bmVyZWlkOm5lcmVpZA==", undefined],
  ["rubbish", "Bearer nereid", undefined],
  ["a revoked key", `Bearer ${REVOKED}`, undefined],
  ["a forged key", `Bearer ${forged}`, undefined],
  ["a key for inference", `Bearer ${KEYS.inference.key}`, ["inference", "model-read"]],
  ["a key for reading", `bearer ${KEYS["model-read"].key}`, ["model-read"]],
  ["a key for metrics", `Bearer ${KEYS.metrics.key}`, ["metrics", "model-read"]],
  ["a key for control", `Bearer ${KEYS.control.key}`, ["control", "model-read"]],
];

type Verdict = "unauthenticated" | "denied" | "in";

function wanted({ access }: Access, allowed: readonly AccessClass[] | undefined): Verdict {
  if (access === "public") return "in";
  if (allowed === undefined) return "unauthenticated";
  return allowed.includes(access) ? "in" : "denied";
}

/** `{model}` and the like become names. */
const pathOf = (path: string): string => path.replace("{version}", "1").replace(/\{\w+\}/g, "add_sub");

const statusVerdict = (status: number): Verdict => (status === 401 ? "unauthenticated" : status === 403 ? "denied" : "in");
const codeVerdict = (code: string): Verdict =>
  code === "UNAUTHENTICATED" ? "unauthenticated" : code === "PERMISSION_DENIED" ? "denied" : "in";

describe("with API keys", () => {
  let doors: ScriptedDoors;
  beforeAll(async () => {
    doors = await startDoors({ apiKeys: KEY_LINES, allowClientShm: false });
  });
  afterAll(() => doors?.[Symbol.asyncDispose]());

  test.each(HTTP)("$name asks for the right key", async (route) => {
    for (const [what, authorization, allowed] of SHOWN) {
      const headers = authorization === undefined ? {} : { authorization };
      const response = await fetch(`${doors.httpAddress}${pathOf(route.path)}`, { method: route.method, headers });
      const body = await response.text();
      expect(statusVerdict(response.status), `${what}: ${response.status} ${body}`).toBe(wanted(route, allowed));
      if (response.status !== 401) continue;
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      const said: { readonly error?: unknown } = JSON.parse(body);
      if (route.path.startsWith("/v1/"))
        expect(said.error).toMatchObject({ type: "authentication_error", code: "invalid_api_key", param: null });
      else expect(said.error).toMatch(/API key/);
    }
  });

  test.each(HTTP)("the answer of $name says what it is, no more, and is not kept", async ({ method, path }) => {
    for (const authorization of ["none", `Bearer ${KEYS.inference.key}`, `Bearer ${KEYS.control.key}`]) {
      const { headers, body } = await fetch(`${doors.httpAddress}${pathOf(path)}`, { method, headers: { authorization } });
      await body?.cancel();
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toMatch(/^no-(store|cache)/);
      expect([headers.get("server"), headers.get("x-powered-by"), headers.get("access-control-allow-origin")]).toEqual([null, null, null]);
    }
  });

  test.each(GRPC)("$name over gRPC asks for the right key", async (method) => {
    using client = new GrpcClient(doors.grpcPort);
    for (const [what, authorization, allowed] of SHOWN) {
      const metadata = authorization === undefined ? {} : { authorization };
      const { code } = await client.bytes(`/${method.service}/${method.method}`, new Uint8Array(), { metadata, timeoutMs: 5_000 });
      expect(codeVerdict(code), `${what}: ${code}`).toBe(wanted(method, allowed));
    }
  });

  test("metrics ask for a key that is for them", async () => {
    const statusWith = async (key: string | undefined) =>
      (await fetch(`${doors.metricsAddress}/metrics`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } })).status;
    expect(await statusWith(undefined)).toBe(401);
    expect(await statusWith(KEYS.inference.key)).toBe(403);
    expect(await statusWith(KEYS.metrics.key)).toBe(200);
  });

  test("each control call is in the audit log with the key's id, what it was about and what became of it, and nothing of its body", async () => {
    const lines: string[] = [];
    await using audited = await startDoors({ apiKeys: KEY_LINES }, { audit: (line) => lines.push(line) });
    const headers = { authorization: `Bearer ${KEYS.control.key}` };
    const body = JSON.stringify({ parameters: { config: '{"name": "s3cret"}' } });
    for (const model of ["add_sub", "nobody"])
      await fetch(`${audited.httpAddress}/v2/repository/models/${model}/load`, { method: "POST", headers, body });
    await fetch(`${audited.httpAddress}/v2/models/add_sub/ready`, { headers });
    using client = new GrpcClient(audited.grpcPort);
    const unload = Uint8Array.from([0x12, 7, ...Buffer.from("add_sub")]); // model_name
    await client.bytes("/inference.GRPCInferenceService/RepositoryModelUnload", unload, { metadata: headers, timeoutMs: 5_000 });
    const path = "/v2/repository/models/{model}/load";
    const by = { tenant: "ops", key: KEYS.control.key.split("_")[1], msg: "control call" };
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { ...by, method: "POST", path, subject: "add_sub", status: 200 },
      { ...by, method: "POST", path, subject: "nobody", status: 500 },
      { ...by, method: "gRPC", path: "/inference.GRPCInferenceService/RepositoryModelUnload", subject: "add_sub", status: "ok" },
    ]);
    expect(lines.join()).not.toMatch(/s3cret|nereid_[0-9a-f]{12}_/);
  });

  test("the tenant is the key's, whatever the request says", async () => {
    await doors.models.load("add_sub", { files: new Map() });
    const body = JSON.stringify({
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "FP32", shape: [4], data: [1, 2, 3, 4] })),
      parameters: { tenant: "ops" },
    });
    const headers = { authorization: `Bearer ${KEYS.inference.key}`, "x-tenant": "ops", tenant: "ops" };
    const response = await fetch(`${doors.httpAddress}/v2/models/add_sub/infer`, { method: "POST", headers, body });
    expect(response.status, await response.text()).toBe(200);
    expect(doors.models.requests.at(-1)?.tenant).toBe("acme");
  });

  test("no spelling of a path and no other method finds a way around", async () => {
    const { port } = new URL(doors.httpAddress ?? "");
    using client = await RawClient.open(Number(port));
    const tricks = (path: string) => [
      `/${path}`,
      `${path}/`,
      `/.${path}`,
      `/x/..${path}`,
      path.toUpperCase(),
      path.replace("/v", "/%76"),
      `${path}?x`,
      `${path};x`,
    ];
    const statuses = new Set<string>();
    let asked = 0;
    for (const route of HTTP.filter(({ access }) => access !== "public")) {
      for (const target of [pathOf(route.path), ...tricks(pathOf(route.path))]) {
        for (const method of [route.method, "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"]) {
          client.send(
            `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: ${route.method}\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n`,
          );
          const answer = await client.until(/\r\n\r\n/);
          statuses.add(answer.split(" ")[1] ?? "");
          asked++;
        }
      }
    }
    expect(asked).toBeGreaterThan(1_500);
    expect([...statuses].toSorted()).toEqual(["401", "404", "405"]);
  });
});

describe.each(API_GROUPS)("restricting the group %s", (group) => {
  const isIn = (access: Access) => access.group === group;

  test("over HTTP asks all of its routes, and no others, for the header", async () => {
    await using doors = await startDoors({ httpRestrictedApi: [`${group}:Infer-Key=secret`], allowClientShm: false });
    expect(HTTP.some(isIn)).toBe(true);
    for (const route of HTTP) {
      for (const [headers, isRight] of [
        [{}, false],
        [{ "infer-key": "wrong" }, false],
        [{ "INFER-KEY": "secret" }, true],
      ] as const) {
        const response = await fetch(`${doors.httpAddress}${pathOf(route.path)}`, { method: route.method, headers });
        const said = await response.text();
        const isRefused = response.status === 403 && said.includes("This API is restricted, expecting header 'infer-key'");
        expect(isRefused, `${route.name} ${JSON.stringify(headers)}: ${response.status} ${said}`).toBe(isIn(route) && !isRight);
        expect(said).not.toContain("secret");
      }
    }
  });

  test("over gRPC asks all of its methods, and no others, for the header", async () => {
    await using doors = await startDoors({ grpcRestrictedProtocol: [`${group}:infer-key=secret`], allowClientShm: false });
    using client = new GrpcClient(doors.grpcPort);
    const name = "triton-grpc-protocol-infer-key";
    expect(GRPC.some(isIn)).toBe(true);
    for (const method of GRPC) {
      for (const [metadata, isRight] of [
        [{}, false],
        [{ [name]: "wrong" }, false],
        [{ [name]: "secret" }, true],
      ] as const) {
        const { code, details } = await client.bytes(`/${method.service}/${method.method}`, new Uint8Array(), {
          metadata,
          timeoutMs: 5_000,
        });
        const isRefused = code === "UNAVAILABLE" && details === `This protocol is restricted, expecting header '${name}'`;
        expect(isRefused, `${method.name} ${JSON.stringify(metadata)}: ${code} ${details}`).toBe(isIn(method) && !isRight);
      }
    }
  });
});

describe("an address that other machines can reach", () => {
  const anywhere = { host: "0.0.0.0" };

  test.each([
    ["nothing", {}, /--http-tls-cert and --http-tls-key and --grpc-use-ssl and --api-keys-file/],
    ["keys alone", { apiKeys: KEY_LINES }, /--http-tls-cert and --http-tls-key and --grpc-use-ssl/],
    ["keys, and gRPC closed", { apiKeys: KEY_LINES, allowGrpc: false }, /--http-tls-cert/],
  ] as const)("is not listened on with %s", async (_, options, said) => {
    const start = startDoors(options, anywhere);
    await expect(start).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "exposed" });
    await expect(start).rejects.toThrow(said);
  });

  test("is served when somebody says that it is meant so", async () => {
    await using doors = await startDoors({ insecure: true }, anywhere);
    const local = doors.httpAddress?.replace("0.0.0.0", "127.0.0.1");
    expect((await fetch(`${local}/v2/health/live`)).status).toBe(200);
  });
});

describe("pages of other origins", () => {
  const asked = {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
  };

  test("are told nothing, and may change nothing, unless they are named", async () => {
    await using doors = await startDoors();
    const preflight = await fetch(`${doors.httpAddress}/v1/chat/completions`, { method: "OPTIONS", headers: asked });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([405, null]);
    const post = await fetch(`${doors.httpAddress}/v2/models/add_sub/infer`, { method: "POST", headers: { origin: asked.origin } });
    expect([post.status, post.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  });

  test("that are named may ask, call and read what comes back, streamed or whole", async () => {
    await using doors = await startDoors({ corsOrigins: ["https://app.example"] });
    const preflight = await fetch(`${doors.httpAddress}/v1/chat/completions`, { method: "OPTIONS", headers: asked });
    expect(preflight.status).toBe(204);
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      "access-control-allow-origin": "https://app.example",
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "authorization",
      vary: "Origin",
    });
    const model = doors.text.models[0]?.name;
    for (const stream of [false, true]) {
      const body = JSON.stringify({ model, stream, messages: [{ role: "user", content: "hello" }] });
      const answer = await fetch(`${doors.httpAddress}/v1/chat/completions`, { method: "POST", headers: { origin: asked.origin }, body });
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, "https://app.example"]);
      expect(await answer.text()).not.toContain('"error"');
    }
    const other = await fetch(`${doors.httpAddress}/v2/models/add_sub/infer`, {
      method: "POST",
      headers: { origin: "https://evil.example" },
    });
    expect([other.status, other.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  });

  test("may not control the server because all are let in", async () => {
    await using doors = await startDoors({ corsOrigins: ["*"] });
    const post = (path: string) => fetch(`${doors.httpAddress}${path}`, { method: "POST", headers: { origin: "https://any.example" } });
    expect((await post("/v2/models/add_sub/infer")).status).toBe(400);
    expect((await post("/v2/repository/models/add_sub/unload")).status).toBe(403);
    expect(doors.models.unloads).toEqual([]);
  });
});
