import { describe, expect, test } from "vitest";
import { ServingError } from "../../../core/errors.ts";
import { LINK_SILENCE_MS, LINK_SUSPECT_MS, type LinkStream, STREAM_CREDIT } from "../../../core/link/link.ts";
import type { ChoiceToken } from "../../../core/messages/generation.ts";
import { encodeCancelChoice } from "../../../core/messages/submit-frames.ts";
import { AnswerWriter } from "../../../node-agent/answer-writer.ts";
import type { GenerationHandle } from "../../../node-agent/engines/generation-sink.ts";
import { FakeClock, turns } from "../../support/fake-clock.ts";
import { GatewayEnd, linkPair } from "./link-pair.ts";

/** A generation that does nothing but remember what it was told. */
class ToldHandle implements GenerationHandle {
  readonly told: string[] = [];
  readonly cancel = () => void this.told.push("cancel");
  readonly cancelChoice = (choice: number) => void this.told.push(`cancel ${choice}`);
  readonly pause = () => void this.told.push("pause");
  readonly resume = () => void this.told.push("resume");
  readonly park = () => void this.told.push("park");
}

async function open(choices = 1, movable = false) {
  const clock = new FakeClock();
  const { links, gateway, agent } = await linkPair(clock);
  const end = new GatewayEnd(gateway.open(1, "tokens"));
  const stream = agent.open(1, "tokens");
  const writer = new AnswerWriter(stream, { clock, choices: Array(choices).keys(), movable });
  const handle = new ToldHandle();
  return { clock, links, end, stream, writer, handle };
}

async function started(choices = 1, movable = false) {
  const opened = await open(choices, movable);
  opened.writer.started(opened.handle, 0);
  await turns();
  return opened;
}

const token = (position: number, choice = 0): ChoiceToken => ({ choice, position, id: position, logprob: undefined, topLogprobs: [] });

/** A step's token after the other, until the writer asks for a pause. @returns how many were written */
function tokensUntilPaused(writer: AnswerWriter, handle: ToldHandle, from = 0): number {
  let position = from;
  while (handle.told.at(-1) !== "pause" && position < from + 1_000) writer.tokens([token(position++)]);
  return position;
}

describe("a generation's answer", () => {
  test("is accepted, then its tokens, then its end, and then the stream ends", async () => {
    const { writer, end } = await started();
    writer.tokens([token(0)]);
    writer.tokens([token(1), token(2)]);
    writer.finished(0, "stop");
    await turns();
    expect(end.kinds).toEqual(["accepted", "tokens", "tokens", "finished"]);
    expect(end.ids).toEqual([0, 1, 2]);
    end.stream.end();
    await turns();
    expect(end.end).toEqual({ kind: "end" });
  });

  test("ends when the last of its choices has ended", async () => {
    const { writer, end } = await started(2);
    writer.finished(1, "length");
    writer.tokens([token(0)]);
    writer.finished(0, "stop");
    await turns();
    expect(end.kinds).toEqual(["accepted", "finished", "tokens", "finished"]);
  });

  test("ends with what it failed with, after the tokens that came before", async () => {
    const { writer, end } = await started(2);
    writer.tokens([token(0)]);
    writer.failed(new ServingError("UNAVAILABLE", "a shard was lost"));
    await turns();
    expect(end.frames.slice(1)).toMatchObject([{ kind: "tokens" }, { kind: "failed", code: "UNAVAILABLE", message: "a shard was lost" }]);
  });
});

describe("a generation whose link is silent", () => {
  test("computes nothing that goes on elsewhere meanwhile, and goes on when the link does", async () => {
    const { clock, links, handle, writer, end } = await started(1, true);
    links.partition("memory:1");
    await clock.pass(LINK_SUSPECT_MS);
    expect(handle.told).toEqual(["pause"]);
    writer.tokens([token(0)]);
    links.heal("memory:1");
    await turns();
    expect(handle.told).toEqual(["pause", "resume"]);
    expect(end.ids).toEqual([0]);
  });

  test("goes on where it cannot go on elsewhere, until the link is lost", async () => {
    const { clock, links, handle } = await started();
    links.partition("memory:1");
    await clock.pass(LINK_SUSPECT_MS);
    expect(handle.told).toEqual([]);
    await clock.pass(LINK_SILENCE_MS);
    expect(handle.told).toEqual(["cancel"]);
  });
});

describe("a reader that is slower than the stages", () => {
  test("pauses the generation while credit is left for what is under way, and no token is lost", async () => {
    const { writer, end, handle } = await open();
    end.reads = false;
    writer.started(handle, 0);
    const written = tokensUntilPaused(writer, handle);
    for (let position = written; position < 200; position++) writer.tokens([token(position)]);
    writer.finished(0, "length");
    await turns(60);
    expect(written).toBeLessThan(STREAM_CREDIT.tokens);
    expect(end.frames.length).toBe(STREAM_CREDIT.tokens);
    end.reads = true;
    end.read();
    await turns(60);
    expect(end.ids).toEqual(Array.from({ length: 200 }, (_, position) => position));
    expect(end.kinds.at(-1)).toBe("finished");
  });

  test("has what gathered while it did not read in few frames", async () => {
    const { writer, end, handle } = await open();
    end.reads = false;
    writer.started(handle, 0);
    for (let position = 0; position < 400; position++) writer.tokens([token(position)]);
    await turns(60);
    const before = end.frames.length;
    end.reads = true;
    end.read();
    await turns(60);
    expect(end.ids.length).toBe(400);
    expect(end.frames.length - before).toBeLessThan(10);
  });

  test("lets the generation go on as soon as it reads", async () => {
    const { writer, end, handle } = await open();
    end.reads = false;
    writer.started(handle, 0);
    tokensUntilPaused(writer, handle);
    await turns(60);
    end.read(32);
    await turns(60);
    expect(handle.told).toEqual(["pause", "resume"]);
  });

  test("is cut off when it has not read for 30 s, and the generation is canceled", async () => {
    const { clock, writer, end, handle } = await open();
    end.reads = false;
    writer.started(handle, 0);
    tokensUntilPaused(writer, handle);
    await clock.pass(1_999);
    expect(handle.told).toEqual(["pause"]);
    await clock.pass(28_000);
    expect(handle.told).toEqual(["pause", "park"]); // after 2 s its slot is given to others
    await clock.pass(1);
    expect(handle.told).toEqual(["pause", "park", "cancel"]);
    expect(end.end).toMatchObject({ kind: "reset", reason: expect.stringContaining("30 s") });
    expect(clock.pending).toBe(0);
  });

  test("is not cut off when it reads in time, however slow it is", async () => {
    const { clock, writer, end, handle } = await open();
    end.reads = false;
    writer.started(handle, 0);
    let position = 0;
    for (let round = 0; round < 3; round++) {
      position = tokensUntilPaused(writer, handle, position);
      await clock.pass(29_000);
      end.read();
      await turns(60);
    }
    expect(handle.told).toEqual(Array(3).fill(["pause", "park", "resume"]).flat());
    expect(end.end).toBeUndefined();
    expect(clock.pending).toBe(0);
  });
});

describe("a gateway that wants less", () => {
  test("cancels one choice, and the answer ends when the others have", async () => {
    const { writer, end, handle } = await started(2);
    end.stream.write(encodeCancelChoice({ kind: "cancel-choice", choice: 0 }));
    await turns();
    expect(handle.told).toEqual(["cancel 0"]);
    writer.tokens([token(0, 1)]);
    writer.finished(1, "length");
    end.stream.end();
    await turns();
    expect(end.kinds).toEqual(["accepted", "tokens", "finished"]);
    expect(end.end).toEqual({ kind: "end" });
  });

  test("cancels the last choice, and the stream ends", async () => {
    const { end, handle } = await started();
    end.stream.write(encodeCancelChoice({ kind: "cancel-choice", choice: 0 }));
    end.stream.end();
    await turns();
    expect(handle.told).toEqual(["cancel 0"]);
    expect(end.end).toEqual({ kind: "end" });
  });

  test("resets the stream: the generation is canceled and nothing is written any more", async () => {
    const { clock, writer, end, handle } = await started();
    end.stream.reset("the client is gone");
    await turns();
    expect(handle.told).toEqual(["cancel"]);
    writer.tokens([token(0)]);
    writer.finished(0, "stop");
    await turns();
    expect(end.kinds).toEqual(["accepted"]);
    expect(clock.pending).toBe(0);
  });

  test("is lost with its link: the generation is canceled", async () => {
    const { links, handle, clock } = await started();
    links.disconnect();
    await turns();
    expect(handle.told).toEqual(["cancel"]);
    expect(clock.pending).toBe(0);
  });

  test("has left before the generation could start: it is canceled at once", async () => {
    const { end, writer, handle } = await open();
    end.stream.reset("the client is gone");
    await turns();
    writer.started(handle, 0);
    expect(handle.told).toEqual(["cancel"]);
  });

  test("writes what makes no sense: this generation is given up, and others on the link go on", async () => {
    const clock = new FakeClock();
    const { gateway, agent } = await linkPair(clock);
    const ends = [1, 2].map((number) => new GatewayEnd(gateway.open(number, "tokens")));
    const streams: LinkStream[] = [1, 2].map((number) => agent.open(number, "tokens"));
    const handles = streams.map((stream) => {
      const handle = new ToldHandle();
      new AnswerWriter(stream, { clock, choices: [0] }).started(handle, 0);
      return handle;
    });
    ends[0]?.stream.write(Uint8Array.of(99, 1, 2));
    await turns();
    expect(handles.map(({ told }) => told)).toEqual([["cancel"], []]);
    expect(ends.map(({ end }) => end?.kind)).toEqual(["reset", undefined]);
  });
});
