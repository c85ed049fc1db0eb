import { expect, test } from "vitest";
import { grpcLimits } from "../../../../gateway/grpc/limits.ts";
import { Keepalive } from "../../../../gateway/http2/keepalive.ts";

const limits = grpcLimits({ handshakeMsMax: 100, keepaliveMs: 1_000, keepaliveAnswerMsMax: 50, pingIntervalMsMin: 300, pingStrikesMax: 2 });

test("who does not speak HTTP/2 in time is cut", () => {
  const keepalive = new Keepalive(limits, 0);
  expect([keepalive.due(100), keepalive.due(101)]).toEqual([undefined, "cut"]);
});

test("who says nothing is asked once, and cut without an answer", () => {
  const keepalive = new Keepalive(limits, 0);
  keepalive.established();
  expect([keepalive.due(1_000), keepalive.due(1_001), keepalive.due(1_051), keepalive.due(1_052)]).toEqual([
    undefined,
    "ask",
    undefined,
    "cut",
  ]);
  keepalive.answered();
  keepalive.heard(1_040);
  expect([keepalive.due(2_040), keepalive.due(2_041)]).toEqual([undefined, "ask"]);
});

test("who is old is sent away, and cut after the grace", () => {
  const keepalive = new Keepalive({ ...limits, connectionAgeMsMax: 500, connectionAgeGraceMs: 100 }, 0);
  keepalive.established();
  expect([keepalive.due(500), keepalive.due(501), keepalive.due(550), keepalive.due(601)]).toEqual([undefined, "leave", undefined, "cut"]);
});

test("pings that come too early are forgiven twice, and all of them whenever something is sent", () => {
  const keepalive = new Keepalive(limits, 0);
  expect([0, 10, 20, 30].map((nowMs) => keepalive.pinged(nowMs))).toEqual([true, true, true, false]);
  keepalive.sent();
  expect([40, 50, 60, 360, 370].map((nowMs) => keepalive.pinged(nowMs))).toEqual([true, true, true, true, false]);
});
