/** The servers of tests: what is promised of a kill, a pause and another start. */
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { type RealServer, startNats, startRedis } from "../../support/real-servers.ts";

/** Connects, sends `request`, resolves with the first bytes that come back. */
function ask(server: RealServer, request: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), hostname, () => socket.write(request));
    socket.on("error", reject);
    socket.on("data", (bytes) => {
      resolve(bytes.toString());
      socket.destroy();
    });
  });
}

test("a nats-server says hello, is gone when it was killed, and is back on its port", async () => {
  await using server = await startNats();
  expect(await ask(server, "")).toMatch(/^INFO /);
  await server.kill();
  await expect(ask(server, "")).rejects.toThrow("ECONNREFUSED");
  await server.start();
  expect(await ask(server, "")).toMatch(/^INFO /);
});

test("a redis-server keeps what was written over a kill", async () => {
  await using server = await startRedis();
  expect(await ask(server, "SET k v\r\n")).toBe("+OK\r\n");
  await server.kill();
  await server.start();
  expect(await ask(server, "GET k\r\n")).toBe("$1\r\nv\r\n");
});

test("a paused server answers when it goes on", async () => {
  await using server = await startRedis();
  await using other = await startRedis();
  server.pause();
  let answered = false;
  const answer = ask(server, "PING\r\n").finally(() => {
    answered = true;
  });
  for (let round = 0; round < 20; round++) expect(await ask(other, "PING\r\n")).toBe("+PONG\r\n");
  expect(answered).toBe(false);
  server.resume();
  expect(await answer).toBe("+PONG\r\n");
});
