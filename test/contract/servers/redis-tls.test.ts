/** A Redis with TLS: reached where its authority is known, as NODE_EXTRA_CA_CERTS makes one known, and by nobody else. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemRandom } from "../../../core/random.ts";
import { RedisConnection } from "../../../core/store/redis-connection.ts";
import { redisSequenceStore } from "../../../core/store/sequences/redis.ts";
import { createLogger } from "../../../core/telemetry/logger.ts";
import { Inbox } from "../../support/inbox.ts";
import { type RealServer, startRedis } from "../../support/real-servers.ts";
import { selfSigned } from "../../support/self-signed.ts";
import { untilConnected } from "./until-connected.ts";

const AUTHORITIES = getCACertificates("default");
const { cert, key } = selfSigned("localhost");
let folder: string;
let redis: RealServer;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "nereid-redis-tls-"));
  const [certFile, keyFile] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  const port = await freePort();
  url = `rediss://localhost:${port}`;
  redis = await startRedis(`tls-port ${port}\ntls-cert-file ${certFile}\ntls-key-file ${keyFile}\ntls-auth-clients no`);
});
afterAll(async () => {
  setDefaultCACertificates(AUTHORITIES);
  await redis?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  server.close();
  await once(server, "close");
  return typeof bound === "object" ? (bound?.port ?? 0) : 0;
}

function connect(lines: Inbox<string>): RedisConnection {
  const logger = createLogger({ level: "warn", form: "json", write: lines.put });
  return new RedisConnection({ url, timeoutMs: 10_000 }, { random: systemRandom, logger });
}

test("a Redis whose authority nobody knows is not talked to", async () => {
  const lines = new Inbox<string>();
  await using stranger = connect(lines);
  expect((await lines.until(1))[0]).toContain("self-signed certificate");
  expect(stranger.connected).toBe(false);
});

test("a Redis whose authority is known keeps what it is given", async () => {
  setDefaultCACertificates([...AUTHORITIES, cert]);
  await using connection = connect(new Inbox());
  await untilConnected(connection);
  const sequences = redisSequenceStore(connection);
  await sequences.begin("s", { owner: "a", fence: "f", start: "t" }, 1_000);
  expect(await sequences.takeOver("s", { owner: "b", fence: "g", from: "a" }, 1_000)).toMatchObject({ kind: "taken" });
});
