/** Loads of sequences: every client sends whole sequences, step by step, under ids of its own. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { InferRequest } from "../../../client/infer-request.ts";
import type { Call } from "../../../loadgen/channel.ts";
import { ClosedLoop } from "../../../loadgen/closed-loop.ts";
import { Meter } from "../../../loadgen/meter.ts";
import { OpenLoop } from "../../../loadgen/open-loop.ts";
import { SequenceOrder, sequenceRequests } from "../../../loadgen/sequences.ts";
import { FakeClock, turns } from "../../support/fake-clock.ts";

const SEED = 20261123;
const OPTIONS = { length: undefined, variationPercent: 20, ids: { start: 1, end: undefined }, atOnce: 4 };
const stepsOf = (count: number): readonly InferRequest[] =>
  Array.from({ length: count }, (_, step) => ({ model: "m", inputs: [], id: `${step}` }));

/** What so many requests of one client are, as `id:step`, with `(` before a sequence's first and `)` after its last. */
function sent(order: SequenceOrder, requests: readonly InferRequest[], client: number, count: number): string {
  const words = Array.from({ length: count }, () => word(requests[order.next(client)]));
  return words.join(" ");
}

const word = (request: InferRequest | undefined) =>
  `${request?.sequence?.start === true ? "(" : ""}${request?.sequence?.id}:${request?.id}${request?.sequence?.end === true ? ")" : ""}`;

describe("sequences of a load", () => {
  test("are as long as said, one behind the other, each client's under its own id", () => {
    const options = { ...OPTIONS, length: 3, variationPercent: 0, ids: { start: 7, end: 9 } };
    const requests = sequenceRequests(stepsOf(1), 2, options);
    const order = new SequenceOrder(options, undefined, () => 0.5);
    expect(sent(order, requests, 0, 4)).toBe("(7:0 7:0 7:0) (7:0");
    expect(sent(order, requests, 1, 2)).toBe("(8:0 8:0");
  });

  test("take the lists of given data in turn, each as long as its list", () => {
    const requests = sequenceRequests(stepsOf(3), 1, OPTIONS);
    const order = new SequenceOrder(OPTIONS, [2, 1], () => 0.5);
    expect(sent(order, requests, 0, 4)).toBe("(1:0 1:1) (1:2) (1:0");
  });

  test("go on from the first of the given steps where they are longer", () => {
    const options = { ...OPTIONS, length: 3, variationPercent: 0 };
    const order = new SequenceOrder(options, [2], () => 0.5);
    expect(sent(order, sequenceRequests(stepsOf(2), 1, options), 0, 3)).toBe("(1:0 1:1 1:0)");
  });

  test("begin anew after a failure, and end where the load ends", () => {
    const requests = sequenceRequests(stepsOf(1), 1, OPTIONS);
    const order = new SequenceOrder(OPTIONS, undefined, () => 0.5);
    sent(order, requests, 0, 2);
    order.failed(0);
    expect(sent(order, requests, 0, 2)).toBe("(1:0 1:0");
    expect(word(requests[order.last(0) ?? -1])).toBe("1:0)");
    expect(order.last(0)).toBeUndefined();
  });

  test("have lengths within their variation, and never none", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 0, max: 100 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (length, variationPercent, chance) => {
          const options = { ...OPTIONS, length, variationPercent };
          const requests = sequenceRequests(stepsOf(1), 1, options);
          const order = new SequenceOrder(options, undefined, () => chance);
          let count = 1;
          while (!word(requests[order.next(0)]).endsWith(")")) count += 1;
          expect(Math.abs(count - length)).toBeLessThanOrEqual(Math.max((length * variationPercent) / 100 + 0.5, 0));
        },
      ),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("are refused where there are fewer ids than sequences at once", () => {
    const few = { ...OPTIONS, ids: { start: 1, end: 3 } };
    expect(() => sequenceRequests(stepsOf(1), 3, few)).toThrow("--sequence-id-range 1:3 has 2 ids for 3 sequences at once");
  });
});

describe.each(["closed", "open"] as const)("a load of sequences in an %s loop", (kind) => {
  test("leaves no sequence open when it stops", async () => {
    const options = { ...OPTIONS, length: 10, variationPercent: 0 };
    const requests = sequenceRequests(stepsOf(1), 2, options);
    const clock = new FakeClock();
    const waiting: Call[] = [];
    const said: string[] = [];
    const channel = {
      send: (request: number, call: Call) => {
        said.push(word(requests[request]));
        waiting.push(call);
      },
    };
    const common = { channels: [channel, channel], meter: new Meter(clock.now(), { records: false }), clock };
    const order = new SequenceOrder(options, undefined, () => 0.5);
    const load = kind === "closed" ? new ClosedLoop({ ...common, order }) : new OpenLoop({ ...common, order }, () => 1);
    load.start();
    if (kind === "open") clock.advance(2);
    await turns();
    waiting.shift()?.ended(undefined);
    const stopped = load.stop();
    for (let call = waiting.shift(); call !== undefined; call = waiting.shift()) call.ended(undefined);
    await stopped;
    const open = (text: string) => said.filter((one) => one.startsWith(text)).length;
    expect(open("(")).toBeGreaterThan(0);
    expect(said.filter((one) => one.endsWith(")"))).toHaveLength(open("("));
  });
});
