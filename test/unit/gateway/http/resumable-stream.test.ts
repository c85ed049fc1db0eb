import { describe, expect, test } from "vitest";
import { asksResumable, EventIds, lastEvent } from "../../../../gateway/http/resumable-stream.ts";
import type { TextEvent } from "../../../../gateway/serving/generation/text-generation.ts";

const asks = (name: string, value: string | undefined) => ({ header: (asked: string) => (asked === name ? value : undefined) });
const started: TextEvent = { kind: "started", generation: "g1", model: "m", version: "1", promptTokens: 1 };
const delta = (choice: number, position: number, told?: boolean): TextEvent => ({
  kind: "delta",
  choice,
  text: "t",
  tokens: [],
  position,
  ...(told !== undefined && { told }),
});

describe("the header that makes a stream resumable", () => {
  test("says true or false, and false when it is not there", () => {
    expect([undefined, "true", "false"].map((value) => asksResumable(asks("x-nereid-resumable", value)))).toEqual([false, true, false]);
  });

  test.each(["", "1", "yes", "TRUE"])("of %j is refused", (value) => {
    expect(() => asksResumable(asks("x-nereid-resumable", value))).toThrow(/may be true or false/);
  });
});

describe("an event's id", () => {
  test("says how far each choice is that has begun", () => {
    const ids = new EventIds({ generation: "g1", told: undefined });
    expect(ids.frames(started, "data: a\n\ndata: b\n\n")).toBe("data: a\n\nid: g1\ndata: b\n\n");
    expect(ids.frames(delta(1, 4), "data: c\n\n")).toBe("id: g1.1.4\ndata: c\n\n");
    expect(ids.frames(delta(0, 2), "data: d\n\n")).toBe("id: g1.0.2.1.4\ndata: d\n\n");
    expect(ids.frames(delta(0, 3), "")).toBe("");
    expect(ids.frames(delta(1, 5), "data: e\n\n")).toBe("id: g1.0.3.1.5\ndata: e\n\n");
  });

  test("goes on where the client is, and what the client has is not sent", () => {
    const place = lastEvent(asks("last-event-id", "g1.0.3.2.9")) ?? expect.unreachable("it is an id");
    expect(place.generation).toBe("g1");
    const ids = new EventIds(place);
    expect(ids.frames({ ...started, told: true }, "data: a\n\n")).toBe("");
    expect(ids.frames(delta(0, 3, true), "data: b\n\n")).toBe("");
    expect(ids.frames(delta(0, 4), "data: c\n\n")).toBe("id: g1.0.4.2.9\ndata: c\n\n");
  });

  test("alone says that the client has the stream's opening", () => {
    expect(lastEvent(asks("last-event-id", "g1"))).toEqual({ generation: "g1", told: [] });
    expect(lastEvent(asks("last-event-id", undefined))).toBe(undefined);
  });

  test.each(["", ".", "g.1", "g.1.", "g.x.1", "g.1.1.1", "g 1", "../x", `g${".0.1".repeat(2)}.9999.1`, "g.0.1\n"])(
    "of %j is none",
    (value) => expect(() => lastEvent(asks("last-event-id", value))).toThrow(/is no id of an event/),
  );
});
