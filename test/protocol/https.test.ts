/** HTTP, metrics and gRPC over TLS, as a gateway opens them from files, and what happens when the files are replaced. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { credentials } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import type { DoorOptions } from "../../core/door-options.ts";
import { seededRandom } from "../../core/random.ts";
import { newApiKey } from "../../gateway/access/api-keys.ts";
import { HeldPace } from "../support/held-pace.ts";
import { SCRIPTED_MODEL, ScriptedText } from "../support/scripted-text.ts";
import { type SelfSigned, selfSigned } from "../support/self-signed.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type ScriptedDoors, startDoors } from "./open-doors.ts";

const first = selfSigned("first");
const second = selfSigned("second");

/** A folder with a certificate, its key, and whatever else a test writes there. */
class Files implements Disposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "nereid-tls-"));

  path(name: string): string {
    return path.join(this.#folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  writePair({ cert, key }: SelfSigned): void {
    this.write("cert.pem", cert);
    this.write("key.pem", key);
  }

  options(): Partial<DoorOptions> {
    const [cert, key] = [this.path("cert.pem"), this.path("key.pem")];
    return { httpTlsCert: cert, httpTlsKey: key, grpcUseSsl: true, grpcServerCert: cert, grpcServerKey: key };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const portOf = (address: string | undefined): number => Number(address?.split(":").at(-1));

/** Resolves with the status, or with the error's code. */
function get(address: string | undefined, target: string, ca: string, headers: Record<string, string> = {}): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = request({ host: "127.0.0.1", port: portOf(address), path: target, ca, headers, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    sent.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    sent.end();
  });
}

/** The name of the certificate that the server shows, or the error's code. */
function shownBy(address: string | undefined, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ host: "127.0.0.1", port: portOf(address), rejectUnauthorized: false, ...options }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
  });
}

async function until(wanted: () => Promise<boolean>): Promise<void> {
  while (!(await wanted())) await new Promise((resolve) => systemClock.after(50, () => resolve(undefined)));
}

function started(files: Files): Promise<ScriptedDoors> {
  files.writePair(first);
  return startDoors(files.options());
}

test("all three listeners speak TLS 1.2 and newer to clients that trust them, and to no others", async () => {
  using files = new Files();
  await using doors = await started(files);
  expect(doors.httpAddress).toMatch(/^https:/);
  expect(await get(doors.httpAddress, "/v2/health/live", first.cert)).toBe(200);
  expect(await get(doors.metricsAddress, "/metrics", first.cert)).toBe(200);
  expect(await get(doors.httpAddress, "/v2/health/live", second.cert)).toMatch(/SELF_SIGNED|UNABLE_TO_VERIFY/);
  for (const address of [doors.httpAddress, doors.metricsAddress, doors.grpcAddress]) {
    expect(await shownBy(address, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ALPNProtocols: ["h2", "http/1.1"] })).toBe("first");
    expect(await shownBy(address, { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" })).toMatch(
      /ERR_SSL|ECONNRESET/,
    );
  }
  using client = new GrpcClient(doors.grpcPort, { credentials: credentials.createSsl(Buffer.from(first.cert)) });
  expect((await client.bytes("/inference.GRPCInferenceService/ServerLive", new Uint8Array(), { timeoutMs: 5_000 })).code).toBe("OK");
});

test("plain text to a TLS port is dropped, and the server goes on", async () => {
  using files = new Files();
  await using doors = await started(files);
  const plain = doors.httpAddress?.replace("https:", "http:");
  await expect(fetch(`${plain}/v2/health/live`)).rejects.toThrow("fetch failed");
  expect(await get(doors.httpAddress, "/v2/health/live", first.cert)).toBe(200);
});

test("a client that hangs up cancels its generation over TLS as it does without", async () => {
  using files = new Files();
  const held = new HeldPace(1);
  const text = new ScriptedText(held);
  files.writePair(first);
  await using doors = await startDoors(files.options(), { text });
  const body = JSON.stringify({ model: SCRIPTED_MODEL, stream: true, messages: [{ role: "user", content: "hello" }] });
  const sent = request({
    host: "127.0.0.1",
    port: portOf(doors.httpAddress),
    method: "POST",
    path: "/v1/chat/completions",
    ca: first.cert,
  });
  sent.on("error", () => undefined);
  sent.on("response", () => sent.destroy());
  sent.end(body);
  await until(async () => text.canceled > 0);
});

test("a renewed certificate is shown within seconds, one that cannot be used is not, and connections go on", async () => {
  using files = new Files();
  await using doors = await started(files);
  const addresses = [doors.httpAddress, doors.metricsAddress, doors.grpcAddress];
  const shows = async (name: string) => (await Promise.all(addresses.map((address) => shownBy(address)))).every((shown) => shown === name);
  expect(await shows("first")).toBe(true);
  files.writePair({ ...second, key: "rubbish" });
  files.writePair(second);
  await until(() => shows("second"));
  expect(await get(doors.httpAddress, "/v2/health/live", second.cert)).toBe(200);
});

test("keys come and go with their file, within 5 s", async () => {
  using files = new Files();
  const random = seededRandom(1n);
  const [kept, revoked] = [
    newApiKey(random, { tenant: "a", access: ["inference"] }),
    newApiKey(random, { tenant: "b", access: ["inference"] }),
  ];
  const apiKeysFile = files.write("keys", `# ours\n${kept.line}\n${revoked.line}\n`);
  await using doors = await startDoors({ apiKeysFile });
  const status = async (key: string) => (await fetch(`${doors.httpAddress}/v2`, { headers: { authorization: `Bearer ${key}` } })).status;
  expect([await status(kept.key), await status(revoked.key)]).toEqual([200, 200]);
  const revokedAtMs = systemClock.now();
  files.write("keys", `${kept.line}\n`);
  await until(async () => (await status(revoked.key)) === 401);
  expect(systemClock.now() - revokedAtMs).toBeLessThan(5_000);
  expect(await status(kept.key)).toBe(200);
});

test.each([
  [{ httpTlsCert: "cert.pem" }, /--http-tls-cert and --http-tls-key go together/],
  [{ grpcUseSsl: true }, /--grpc-use-ssl needs --grpc-server-cert and --grpc-server-key/],
  [{ httpTlsCert: "/nowhere", httpTlsKey: "/nowhere" }, /TLS: \/nowhere cannot be read/],
  [{ apiKeysFile: "/nowhere" }, /API keys: \/nowhere cannot be read/],
  [{ apiKeys: "a b c" }, /API keys: line 1 is not/],
  [{ httpRestrictedApi: ["nothing:key=secret"] }, /--http-restricted-api: unknown group 'nothing'/],
  [{ grpcRestrictedProtocol: ["health:key=secret", "health:key=secret"] }, /group 'health' can not be in two rules/],
  [{ httpHeaderForwardPattern: "(" }, /is no regular expression/],
])("%j is refused at the start in one line, and shows no secret", async (options, said) => {
  const start = startDoors(options);
  await expect(start).rejects.toThrow(said);
  await expect(start).rejects.not.toThrow(/secret/);
});
