import { describe, expect, test } from "vitest";
import { ServingError } from "../../../core/errors.ts";
import { generationId } from "../../../core/ids.ts";
import { HeadAssembler } from "../../../core/messages/attached-head.ts";
import { type ChoiceToken, type GenerationSubmit, TAKEN_OVER } from "../../../core/messages/generation.ts";
import { encodeCancelChoice } from "../../../core/messages/submit-frames.ts";
import type { GenerationHandle } from "../../../node-agent/engines/generation-sink.ts";
import type { KeptGeneration } from "../../../node-agent/kept-generation.ts";
import { KEEP_LIMITS, type KeepLimits, KeptGenerations } from "../../../node-agent/kept-generations.ts";
import { FakeClock, turns } from "../../support/fake-clock.ts";
import { generationOf } from "./hosting-rig.ts";
import { GatewayEnd, linkPair } from "./link-pair.ts";

/** An engine that does nothing but remember what it was told. */
class ToldHandle implements GenerationHandle {
  readonly told: string[] = [];
  readonly cancel = () => void this.told.push("cancel");
  readonly cancelChoice = (choice: number) => void this.told.push(`cancel ${choice}`);
  readonly pause = () => void this.told.push("pause");
  readonly resume = () => void this.told.push("resume");
  readonly park = () => void this.told.push("park");
}

const token = (position: number, choice = 0): ChoiceToken => ({
  choice,
  position,
  id: 10 * choice + position,
  logprob: undefined,
  topLogprobs: [],
});
const submitOf = (changes: Partial<GenerationSubmit> = {}) => generationOf({ resumable: "note", tenant: "a", ...changes });

async function rig(limits: KeepLimits = KEEP_LIMITS) {
  const clock = new FakeClock();
  const { gateway, agent } = await linkPair(clock);
  const generations = new KeptGenerations(limits, clock);
  let number = 0;
  const reader = () => {
    number += 1;
    return { end: new GatewayEnd(gateway.open(number, "tokens")), stream: agent.open(number, "tokens") };
  };
  const begin = (changes: Partial<GenerationSubmit> = {}) => {
    const kept = generations.keep(submitOf(changes));
    const handle = new ToldHandle();
    const { end, stream } = reader();
    kept.started(handle, stream, 0);
    return { kept, handle, end };
  };
  const attach = async (kept: KeptGeneration, from: readonly number[] = []) => {
    const { end, stream } = reader();
    kept.attach(stream, from);
    await turns();
    return end;
  };
  return { clock, gateway, generations, begin, attach };
}

describe("a generation that is kept", () => {
  test("runs on when its reader goes, and whoever attaches gets all of it", async () => {
    const { begin, attach, clock } = await rig();
    const { kept, handle, end } = begin();
    kept.tokens([token(0), token(1)]);
    await turns();
    expect(end.ids).toEqual([0, 1]);
    end.stream.reset("the gateway died");
    await clock.pass(29_000);
    kept.tokens([token(2)]);
    expect(handle.told).not.toContain("cancel");
    const again = await attach(kept);
    expect(again.kinds).toEqual(["accepted", "part", "tokens"]);
    expect(again.ids).toEqual([0, 1, 2]);
    const [, part] = again.frames;
    expect(part?.kind === "part" && new HeadAssembler().push(part.bytes)).toEqual(submitOf());
    kept.tokens([token(3)]);
    kept.finished(0, "length");
    await turns();
    expect(again.ids).toEqual([0, 1, 2, 3]);
    expect(again.kinds.at(-1)).toBe("finished");
    await clock.pass(31_000);
    expect(handle.told).not.toContain("cancel");
  });

  test("gives the tokens from the asked positions on, by choice", async () => {
    const { begin, attach } = await rig();
    const { kept } = begin({ choices: 2 });
    kept.tokens([token(0), token(0, 1), token(1), token(1, 1)]);
    kept.finished(1, "stop");
    const again = await attach(kept, [1]);
    expect(again.ids).toEqual([10, 1, 11]);
    expect(again.frames.at(-1)).toEqual({ kind: "finished", choice: 1, reason: "stop" });
  });

  test("does not wait for a reader that has gone while it was paused", async () => {
    const { begin } = await rig();
    const { kept, handle, end } = begin();
    end.reads = false;
    for (let position = 0; !handle.told.includes("pause"); position++) kept.tokens([token(position)]);
    await turns();
    end.stream.reset("the gateway died");
    await turns();
    expect(handle.told.slice(-2)).toEqual(["pause", "resume"]);
  });

  test("is canceled when nobody has come for 30 s, and is not there any more", async () => {
    const { begin, clock, generations } = await rig();
    const { handle, end } = begin();
    end.stream.reset("the gateway died");
    await clock.pass(29_999);
    expect([generations.detached, handle.told.includes("cancel")]).toEqual([1, false]);
    await clock.pass(2);
    expect([generations.detached, generations.count, handle.told.at(-1)]).toEqual([0, 0, "cancel"]);
    expect(clock.pending).toBe(0);
  });

  test("can be read for 60 s after its end", async () => {
    const { begin, attach, clock, generations } = await rig();
    const { kept, end } = begin();
    kept.tokens([token(0)]);
    end.stream.reset("the gateway died");
    await turns();
    kept.finished(0, "stop");
    await clock.pass(59_000);
    const again = await attach(kept);
    expect(again.kinds).toEqual(["accepted", "part", "tokens", "finished"]);
    await clock.pass(2_000);
    expect([generations.count, clock.pending]).toEqual([0, 0]);
  });

  test("is read by the newest reader alone: the older one is told, and is not heard any more", async () => {
    const { begin, attach } = await rig();
    const { kept, handle, end } = begin();
    const second = await attach(kept);
    expect(end.end).toEqual({ kind: "reset", reason: TAKEN_OVER });
    end.stream.reset("late");
    kept.tokens([token(0)]);
    await turns();
    expect([end.ids, second.ids]).toEqual([[], [0]]);
    expect(handle.told).not.toContain("cancel");
  });

  test("ends a choice that its reader has enough of, and keeps what there is of it", async () => {
    const { begin, attach, clock } = await rig();
    const { kept, handle, end } = begin({ choices: 2 });
    kept.tokens([token(0), token(0, 1)]);
    end.stream.write(encodeCancelChoice({ kind: "cancel-choice", choice: 0 }));
    await turns();
    expect(handle.told).toContain("cancel 0");
    kept.finished(1, "stop");
    await turns();
    expect([kept.over, end.kinds.at(-1)]).toEqual([true, "finished"]);
    const again = await attach(kept);
    expect(again.ids).toEqual([0, 10]);
    await clock.pass(60_000);
    expect(clock.pending).toBe(0);
  });

  test("that has failed says so to whoever comes", async () => {
    const { begin, attach } = await rig();
    const { kept, end } = begin();
    kept.tokens([token(0)]);
    end.stream.reset("the gateway died");
    await turns();
    kept.failed(new ServingError("UNAVAILABLE", "its stages are gone"));
    expect((await attach(kept)).frames.slice(2)).toMatchObject([{ kind: "tokens" }, { kind: "failed", message: "its stages are gone" }]);
  });
});

describe("the generations that a node keeps", () => {
  test("are their tenants' own", async () => {
    const { begin, generations } = await rig();
    const { kept } = begin();
    expect(generations.find("g", "a")).toBe(kept);
    expect(generations.find("g", "b")).toBe(undefined);
    expect(generations.find("h", "a")).toBe(undefined);
  });

  test("one that comes here again takes its own place", async () => {
    const { begin, generations } = await rig();
    const { handle, end } = begin();
    const { kept } = begin();
    await turns();
    expect(handle.told).toContain("cancel");
    expect(end.end).toEqual({ kind: "reset", reason: TAKEN_OVER });
    expect([generations.count, generations.find("g", "a")]).toEqual([1, kept]);
  });

  test("are limited in number: what has ended makes room, what runs does not", async () => {
    const { begin, generations } = await rig({ ...KEEP_LIMITS, generations: 2 });
    const first = begin({ generation: generationId("g1") });
    begin({ generation: generationId("g2") });
    expect(() => begin({ generation: generationId("g3") })).toThrow(/raise --resumable-generations/);
    first.kept.finished(0, "stop");
    begin({ generation: generationId("g3") });
    expect([generations.find("g1", "a"), generations.count]).toEqual([undefined, 2]);
  });

  test("are limited in the bytes that they may come to", async () => {
    const { begin } = await rig({ ...KEEP_LIMITS, bytes: 10_000 });
    expect(() => begin({ tokensMax: 200 })).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
    begin({ generation: generationId("g1"), tokensMax: 60 });
    expect(() => begin({ generation: generationId("g2"), tokensMax: 60 })).toThrow(/leave no room/);
  });
});
