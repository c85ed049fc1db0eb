import { expect, test } from "vitest";
import { modelName, replicaId } from "../../../../core/ids.ts";
import {
  type ControlAnswer,
  type ControlRequest,
  encodeControl,
  parseAnswer,
  parseRequest,
} from "../../../../node-agent/runners/control-protocol.ts";

const SHARD = { folder: "/a b/ü", replica: replicaId(modelName("m"), "1", 3), slots: 4, contextLength: 256, threads: 2 };
const REQUESTS: readonly ControlRequest[] = [
  { kind: "open", id: 1, shard: SHARD, listen: "unix:/tmp/s" },
  { kind: "open", id: 1, shard: { ...SHARD, replica: replicaId(modelName("m"), "1", 3, 2) }, listen: "unix:/tmp/s" },
  { kind: "open", id: 1, shard: { ...SHARD, known: { decodeRowsMin: 2, replaysAtOnce: false } }, listen: "unix:/tmp/s" },
  { kind: "open", id: 1, shard: SHARD, listen: "tls:[::]:0", tls: { ca: "/ca.pem", cert: "/cert.pem", key: "/key.pem" } },
  { kind: "connect", id: 2, to: { epoch: 7, next: "tcp:[::1]:9" } },
];
const ANSWERS: readonly ControlAnswer[] = [
  { kind: "opened", id: 1, opened: { address: "unix:/tmp/s", decodeRowsMin: 2, replaysAtOnce: true, residentBytes: 3e9 } },
  { kind: "connected", id: 2 },
  { kind: "failed", id: 3, code: "NOT_FOUND", message: "two\nlines", reason: "" },
];

test("requests and answers arrive as they were sent, one line each", () => {
  for (const request of REQUESTS) expect(parseRequest(encodeControl(request).trimEnd())).toEqual(request);
  for (const answer of ANSWERS) expect(parseAnswer(encodeControl(answer).trimEnd())).toEqual(answer);
  for (const message of [...REQUESTS, ...ANSWERS]) expect(encodeControl(message).split("\n")).toHaveLength(2);
});

test("lines that are neither are refused by the field that is wrong", () => {
  for (const line of ["", "{", "null", "[]", '"x"', "{}", '{"id":1}', '{"id":1,"kind":"close"}', '{"id":-1,"kind":"connected"}']) {
    expect(() => parseRequest(line), line).toThrow(/control channel/);
    if (line !== '{"id":-1,"kind":"connected"}') expect(() => parseAnswer(line), line).toThrow(/control channel/);
  }
  const [open] = REQUESTS;
  for (const replica of ["", "m", "m/1", "m/1/x", "m/1/0/0", "m/1/0.", "m/1/0.0", "m/1/.1", "../m/1/0"])
    expect(() => parseRequest(JSON.stringify({ ...open, shard: { ...SHARD, replica } })), replica).toThrow();
  expect(() => parseRequest(JSON.stringify({ ...open, shard: { ...SHARD, slots: 1.5 } }))).toThrow(/'slots'/);
  expect(() => parseAnswer('{"id":1,"kind":"failed","code":"NOPE","message":"","reason":""}')).toThrow(/'code'/);
});
