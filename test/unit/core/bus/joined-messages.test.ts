/** Messages that leave together: whole, in order, and never lost by what stands beside them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { JoinedMessages, joinedOverhead, splitMessages } from "../../../../core/bus/joined-messages.ts";

const messages = fc.array(fc.uint8Array({ maxLength: 600 }), { minLength: 1, maxLength: 12 });

function joinedOf([first = new Uint8Array(), ...more]: readonly Uint8Array[]): Uint8Array {
  const joined = new JoinedMessages(first);
  for (const message of more) joined.add(message);
  expect(joined.payload.byteLength).toBe(joined.byteLength);
  return joined.payload;
}

test("what was joined comes apart as it was, in a payload of the size that was foretold", () => {
  fc.assert(
    fc.property(messages, (sent) => {
      const joined = joinedOf(sent);
      expect(joined.byteLength).toBe(sent.reduce((sum, message) => sum + message.byteLength, joinedOverhead(sent.length)));
      expect(splitMessages(joined)).toEqual({ messages: sent, whole: true });
    }),
    { seed: 1 },
  );
});

test("a payload that was cut gives the messages before the cut", () => {
  fc.assert(
    fc.property(messages, fc.nat(), (sent, cut) => {
      const joined = joinedOf(sent);
      const { messages: got } = splitMessages(joined.subarray(0, cut % joined.byteLength));
      expect(got).toEqual(sent.slice(0, got.length));
    }),
    { seed: 2 },
  );
});

test("a payload that somebody else wrote gives nothing", () => {
  expect(splitMessages(new TextEncoder().encode("hello"))).toEqual({ messages: [], whole: false });
  expect(splitMessages(new Uint8Array(0))).toEqual({ messages: [], whole: false });
});
