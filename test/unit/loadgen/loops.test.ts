import { describe, expect, test } from "vitest";
import type { Call, Channel } from "../../../loadgen/channel.ts";
import { ClosedLoop } from "../../../loadgen/closed-loop.ts";
import { Meter } from "../../../loadgen/meter.ts";
import { inTurn } from "../../../loadgen/request-order.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** A server that answers when it is told to. */
class HeldServer {
  readonly waiting: { readonly request: number; readonly call: Call }[] = [];

  channel(): Channel {
    return { send: (request, call) => this.waiting.push({ request, call }) };
  }

  answer(failure?: string): void {
    this.waiting.shift()?.call.ended(failure);
  }
}

function rig(clients: number) {
  const clock = new FakeClock();
  const server = new HeldServer();
  const meter = new Meter(clock.now(), { records: true });
  const loop = new ClosedLoop({ channels: Array.from({ length: clients }, () => server.channel()), meter, clock, order: inTurn() });
  return { clock, server, meter, loop };
}

describe("a closed loop", () => {
  test("keeps its requests under way, each the next of those that are prepared", () => {
    const { server, loop } = rig(2);
    loop.start();
    server.answer();
    server.answer();
    expect(server.waiting.map(({ request }) => request)).toEqual([2, 3]);
  });

  test("times answers, and counts failures apart with the first one's words", async () => {
    const { clock, server, meter, loop } = rig(2);
    loop.start();
    clock.advance(7);
    server.answer();
    server.answer("refused");
    const window = meter.cut(clock.now());
    expect(window).toMatchObject({ durationMs: 7, latenciesMs: [7], failures: 1, failure: "refused" });
    expect(meter.cut(clock.now()).latenciesMs, "a cut takes what it gives").toEqual([]);
  });

  test("asks a server that refuses again only after a pause", async () => {
    const { clock, server, loop } = rig(1);
    loop.start();
    server.answer("refused");
    expect(server.waiting).toHaveLength(0);
    clock.advance(10);
    expect(server.waiting).toHaveLength(1);
  });

  test("stops when what is under way has ended", async () => {
    const { server, loop } = rig(2);
    loop.start();
    let over = false;
    const stopped = loop.stop().then(() => {
      over = true;
    });
    server.answer();
    await Promise.resolve();
    expect([over, server.waiting.length]).toEqual([false, 1]);
    server.answer();
    await stopped;
    expect(over).toBe(true);
  });

  test("times the first token and those between of an answer in parts", async () => {
    const { clock, server, meter, loop } = rig(1);
    loop.start();
    const [{ call } = { call: undefined }] = server.waiting;
    clock.advance(30);
    call?.part(1);
    clock.advance(40);
    call?.part(2);
    server.answer();
    const { texts, records } = meter.cut(clock.now());
    expect(texts).toEqual([{ firstTokenMs: 30, interTokenMs: 20, tokens: 3 }]);
    expect(records.map(({ sentMs, responsesMs }) => responsesMs.map((ms) => ms - sentMs))).toEqual([[30, 70]]);
  });
});
