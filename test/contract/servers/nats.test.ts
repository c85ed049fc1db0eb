/** The bus contract on NATS, with a real server that is killed; then what is special to a broker. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { NatsBus } from "../../../core/bus/nats.ts";
import { systemClock } from "../../../core/clock.ts";
import { systemRandom } from "../../../core/random.ts";
import { createLogger } from "../../../core/telemetry/logger.ts";
import { Inbox } from "../../support/inbox.ts";
import { startNats } from "../../support/real-servers.ts";
import { selfSigned } from "../../support/self-signed.ts";
import { busContract } from "../bus.ts";
import { untilBus } from "./until-bus.ts";

const logger = createLogger({ level: "silent", form: "json" });
const options = { name: "a test", clock: systemClock, random: systemRandom, logger };
const busOn = (...urls: readonly string[]) => new NatsBus({ ...options, urls });
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);
const bytes = (content: string) => new TextEncoder().encode(content);

describe("nats", () => {
  busContract(async () => {
    const server = await startNats();
    const buses: NatsBus[] = [];
    return {
      connect: async () => {
        const bus = busOn(server.url);
        buses.push(bus);
        await untilBus(bus, true);
        return bus;
      },
      settled: async () => void (await Promise.all(buses.map((bus) => bus.settled()))),
      disconnect: async () => {
        await server.kill();
        await Promise.all(buses.map((bus) => untilBus(bus, false)));
      },
      reconnect: async () => {
        await server.start();
        await Promise.all(buses.map((bus) => untilBus(bus, true)));
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });

  test("a bus that is there before its broker has its subscriptions when the broker comes", async () => {
    await using server = await startNats();
    await server.kill();
    await using bus = busOn(server.url);
    const inbox = new Inbox<string>();
    bus.subscribe("a", (payload) => inbox.put(text(payload)));
    expect(bus.connected).toBe(false);
    bus.publish("a", bytes("lost"));
    await server.start();
    await untilBus(bus, true);
    bus.publish("a", bytes("kept"));
    expect(await inbox.until(1)).toEqual(["kept"]);
  });

  test("the broker's own payload limit holds, and what fills more than half of it in a tick leaves in several messages", async () => {
    await using server = await startNats("max_payload: 65536");
    await using bus = busOn(server.url);
    await untilBus(bus, true);
    expect(bus.payloadBytesMax).toBe(65_536 - 5);
    const inbox = new Inbox<number>();
    bus.subscribe("a", (payload) => inbox.put(payload[0] ?? 0));
    await bus.settled();
    for (let number = 0; number < 100; number++) bus.publish("a", new Uint8Array(10_000).fill(number));
    expect(await inbox.until(100)).toEqual(Array.from({ length: 100 }, (_, number) => number));
  });

  test("a listener that throws loses its message and no other", async () => {
    await using server = await startNats();
    await using bus = busOn(server.url);
    await untilBus(bus, true);
    const inbox = new Inbox<string>();
    bus.subscribe("a", (payload) => {
      if (text(payload) === "bad") throw new Error("on purpose");
      inbox.put(text(payload));
    });
    await bus.settled();
    for (const content of ["one", "bad", "two"]) bus.publish("a", bytes(content));
    expect(await inbox.until(2)).toEqual(["one", "two"]);
    bus.publish("a", bytes("three"));
    expect(await inbox.until(3)).toEqual(["one", "two", "three"]);
  });

  test("a broker that holds its connections and says nothing is taken for gone, and found again", async () => {
    await using server = await startNats();
    await using bus = busOn(server.url);
    await untilBus(bus, true);
    server.pause();
    await untilBus(bus, false);
    server.resume();
    await untilBus(bus, true);
  });

  test("a user and password in the URL are the broker's login; a wrong one is told in the log, without the password", async () => {
    await using server = await startNats('authorization: { user: ann, password: "s3cret/" }');
    const { host } = new URL(server.url);
    await using right = busOn(`nats://ann:${encodeURIComponent("s3cret/")}@${host}`);
    await untilBus(right, true);
    const lines = new Inbox<string>();
    const log = createLogger({ level: "warn", form: "json", write: lines.put });
    await using wrong = new NatsBus({ ...options, urls: [`nats://ann:gu3ss@${host}`], logger: log });
    const [line] = await lines.until(1);
    expect(line).toContain("Authorization Violation");
    expect(line).not.toContain("gu3ss");
    expect(wrong.connected).toBe(false);
  });

  test("a broker with TLS is talked to in TLS, and one whose authority is unknown is not talked to", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "nereid-tls-"));
    const [certFile, keyFile] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
    const { cert, key } = selfSigned("localhost");
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    await using server = await startNats(`tls: { cert_file: "${certFile}", key_file: "${keyFile}" }`);
    await using bus = new NatsBus({ ...options, urls: [server.url], tls: { caFile: certFile } });
    await untilBus(bus, true);
    const lines = new Inbox<string>();
    const log = createLogger({ level: "warn", form: "json", write: lines.put });
    await using stranger = new NatsBus({ ...options, urls: [server.url], logger: log });
    expect((await lines.until(1))[0]).toContain("self-signed certificate");
    expect(stranger.connected).toBe(false);
    await rm(folder, { recursive: true });
  });

  test("what is no URL of a broker is refused in words", () => {
    expect(() => busOn("http://127.0.0.1:4222")).toThrow("is no NATS server: write nats://HOST:PORT");
    expect(() => busOn("http://ann:s3cret@h:1")).toThrow(/^"http:\/\/h:1" is no NATS server/);
    expect(() => busOn("ann:s3cret@h:1")).toThrow(/^"h:1" is no NATS server/);
  });
});
