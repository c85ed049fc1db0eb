/** Turns, credit and misbehaving peers on one carrier. */
import { expect, test } from "vitest";
import { STREAM_CREDIT } from "../../../../core/link/link.ts";
import { encodeCredit, encodeLinkFrames, type LinkFrame, LinkFrameReader } from "../../../../core/link/link-frames.ts";
import { Multiplexer } from "../../../../core/link/multiplexer.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const data = (number: number, payload = bytes(1)): LinkFrame => ({ type: "data", kind: "tokens", number, payload });

/** A multiplexer over a carrier that keeps what it is given. */
function rig(options: { readonly unsentBytes?: number } = {}) {
  const chunks: Uint8Array[] = [];
  const reader = new LinkFrameReader();
  const carrier = {
    unsentBytes: options.unsentBytes ?? 0,
    closed: false,
    send: (chunk: Uint8Array) => void chunks.push(chunk),
    close: () => {
      carrier.closed = true;
    },
  };
  const link = new Multiplexer("session", carrier);
  const sent = () => chunks.splice(0).map((chunk) => reader.read(chunk).map(({ type, number }) => `${type} ${number}`));
  return { link, carrier, sent, receive: (...frames: LinkFrame[]) => link.received(encodeLinkFrames(frames)) };
}

test("what is written in one go leaves as one chunk, control frames first, streams taking turns", async () => {
  const { link, sent } = rig();
  const [first, second, third] = [link.open(1, "tokens"), link.open(2, "tokens"), link.open(3, "tokens")];
  for (let frame = 0; frame < 2; frame++) {
    first.write(bytes(0));
    second.write(bytes(0));
  }
  third.reset("enough");
  await Promise.resolve();
  expect(sent()).toEqual([["reset 3", "data 1", "data 2", "data 1", "data 2"]]);
});

test("nothing is sent while the carrier has too much to send, and it goes on when that has left", async () => {
  const { link, carrier, sent } = rig({ unsentBytes: 256 * 1024 });
  link.open(1, "tokens").write(bytes(0));
  await Promise.resolve();
  expect(sent()).toEqual([]);
  carrier.unsentBytes = 0;
  link.drained();
  expect(sent()).toEqual([["data 1"]]);
});

test("a peer that writes without credit is cut off", async () => {
  const { link, carrier, receive } = rig();
  const stream = link.open(1, "tokens");
  const ends: string[] = [];
  stream.listen({ frame: () => {}, ended: (end) => ends.push(end.kind) });
  for (let frame = 0; frame < STREAM_CREDIT.tokens; frame++) receive(data(1));
  expect(carrier.closed).toBe(false);
  receive(data(1));
  expect(carrier.closed).toBe(true);
  expect(ends).toEqual(["lost"]);
  expect(await link.closed).toContain("without credit");
});

test("a peer that gives credit for what was never written is cut off", async () => {
  const { link, receive } = rig();
  link.open(1, "tokens");
  receive({ type: "credit", kind: "tokens", number: 1, payload: encodeCredit(1) });
  expect(await link.closed).toContain("too much credit");
});

test("bytes that are no frames cut the link", async () => {
  const { link, carrier } = rig();
  link.received(new Uint8Array(12).fill(255));
  expect(await link.closed).toContain("no link frame");
  expect(carrier.closed).toBe(true);
});

test("late frames of a stream that is over are dropped without an answer", async () => {
  const { link, receive, sent } = rig();
  const announced: number[] = [];
  link.onStream((number) => announced.push(number));
  link.open(1, "tokens").reset("enough");
  await Promise.resolve();
  sent();
  receive(data(1), { type: "end", kind: "tokens", number: 1, payload: bytes() });
  await Promise.resolve();
  expect(sent()).toEqual([]);
  expect(announced).toEqual([]);
});

test("credit goes back a quarter of the window at a time", async () => {
  const { link, receive, sent } = rig();
  const stream = link.open(1, "tokens");
  stream.listen({ frame: () => {}, ended: () => {} });
  for (let frame = 0; frame < 20; frame++) receive(data(1));
  stream.consumed(15);
  await Promise.resolve();
  expect(sent()).toEqual([]);
  stream.consumed(1);
  await Promise.resolve();
  expect(sent()).toEqual([["credit 1"]]);
});

test("a later listener takes the stream over", () => {
  const { link, receive } = rig();
  const heard: string[] = [];
  const stream = link.open(1, "tokens");
  stream.listen({ frame: () => heard.push("first"), ended: () => heard.push("first ended") });
  receive(data(1));
  stream.listen({ frame: () => heard.push("second"), ended: () => heard.push("second ended") });
  receive(data(1));
  link.lost("gone");
  expect(heard).toEqual(["first", "second", "second ended"]);
});
