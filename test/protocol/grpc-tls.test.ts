/** gRPC over TLS, and over TLS with certificates on both sides. */
import { credentials } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { selfSigned } from "../support/self-signed.ts";
import { GrpcClient } from "./grpc-client.ts";
import { startGrpcDoor } from "./grpc-door.ts";
import { ECHO, TestMethods } from "./grpc-test-methods.ts";

const server = selfSigned("server");
const friend = selfSigned("friend");
const stranger = selfSigned("stranger");
const root = Buffer.from(server.cert);

async function echoed(port: number, given: Parameters<typeof credentials.createSsl>): Promise<string> {
  using client = new GrpcClient(port, { credentials: credentials.createSsl(...given) });
  return (await client.bytes(ECHO, Buffer.from("hello"), { timeoutMs: 2_000 })).code;
}

test("a client that trusts the certificate is served; one that does not, or speaks plain text, is not", async () => {
  await using door = await startGrpcDoor({ methods: new TestMethods().all(), tls: server });
  expect(await echoed(door.port, [root])).toBe("OK");
  expect(await echoed(door.port, [Buffer.from(stranger.cert)])).toBe("UNAVAILABLE");
  using plain = new GrpcClient(door.port);
  expect((await plain.bytes(ECHO, Buffer.from("hello"), { timeoutMs: 2_000 })).code).toBe("UNAVAILABLE");
});

test("where clients have to show a certificate, only those are served whose authority is known", async () => {
  const tls = { ...server, clientAuthority: friend.cert };
  await using door = await startGrpcDoor({ methods: new TestMethods().all(), tls });
  const pair = ({ key, cert }: typeof friend) => [Buffer.from(key), Buffer.from(cert)] as const;
  expect(await echoed(door.port, [root, ...pair(friend)])).toBe("OK");
  expect(await echoed(door.port, [root, ...pair(stranger)])).toBe("UNAVAILABLE");
  expect(await echoed(door.port, [root])).toBe("UNAVAILABLE");
});

test("a key and a certificate that do not belong together are refused at the start", async () => {
  const tls = { key: friend.key, cert: server.cert };
  await expect(startGrpcDoor({ tls })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
