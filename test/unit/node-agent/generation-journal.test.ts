/** What a lead writes down of a resumable generation, and when it is gone again. */
import { describe, expect, test } from "vitest";
import { generationId } from "../../../core/ids.ts";
import type { ChoiceToken, GenerationSubmit } from "../../../core/messages/generation.ts";
import { journaledGeneration } from "../../../core/messages/journal-entries.ts";
import { seededRandom } from "../../../core/random.ts";
import { JournalKeys } from "../../../core/store/journals/journal-seal.ts";
import { MemoryJournalStore } from "../../../core/store/journals/memory.ts";
import { GenerationJournal } from "../../../node-agent/generation-journal.ts";
import { KEEP_LIMITS, KeptGenerations } from "../../../node-agent/kept-generations.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { generationOf, LogBook } from "./hosting-rig.ts";
import { linkPair } from "./link-pair.ts";

const GENERATION = "g";
const keys = new JournalKeys("5".repeat(64));
const HANDLE = { cancel: () => {}, cancelChoice: () => {}, pause: () => {}, resume: () => {}, park: () => {} };
const token = (position: number): ChoiceToken => ({ choice: 0, position, id: 100 + position, logprob: -0.5, topLogprobs: [] });

async function rig() {
  const clock = new FakeClock();
  const log = new LogBook();
  const store = new MemoryJournalStore(clock);
  const journal = new GenerationJournal({ store, keys, clock, random: seededRandom(1n), logger: log.logger });
  const kept = new KeptGenerations(KEEP_LIMITS, clock, journal);
  const { gateway, agent } = await linkPair(clock);
  let number = 0;
  return {
    clock,
    log,
    store,
    kept,
    begin(changes: Partial<GenerationSubmit> = {}, options = { journaled: true }) {
      number += 1;
      const reader = gateway.open(number, "tokens");
      reader.listen({ frame: () => reader.consumed(1), ended: () => {} });
      const generation = kept.keep(generationOf({ resumable: "note", tenant: "a", ...changes }), options);
      generation.started(HANDLE, agent.open(number, "tokens"), 0);
      return { generation, reader };
    },
    async written() {
      const found = await store.read(GENERATION);
      if (found === undefined) return undefined;
      const { fence, entries } = found;
      return journaledGeneration(entries.map((entry, at) => keys.open({ generation: GENERATION, fence }, at, entry)));
    },
  };
}

describe("the journal of a resumable generation", () => {
  test("has its submit at once, and what it came to a quarter of a second later", async () => {
    const { begin, clock, written, store } = await rig();
    const { generation } = begin();
    await clock.pass(0);
    expect(await written()).toEqual({ submit: generation.submit, tokens: [] });
    generation.tokens([token(0), token(1)]);
    await clock.pass(250);
    generation.tokens([token(2)]);
    expect((await written())?.tokens).toEqual([token(0), token(1)]);
    await clock.pass(250);
    expect((await written())?.tokens).toEqual([token(0), token(1), token(2)]);
    await clock.pass(10_000);
    expect((await store.read(GENERATION))?.entries.length).toBe(3);
  });

  test("is there as long as the generation is kept after its end, and costs nothing more", async () => {
    const { begin, clock, written } = await rig();
    const { generation } = begin();
    generation.tokens([token(0)]);
    generation.finished(0, "stop");
    await clock.pass(59_000);
    expect((await written())?.tokens).toEqual([token(0)]);
    await clock.pass(1_100);
    expect([await written(), clock.pending]).toEqual([undefined, 0]);
  });

  test("goes with a generation that is canceled because nobody has come back", async () => {
    const { begin, clock, written } = await rig();
    const { generation, reader } = begin();
    generation.tokens([token(0)]);
    await clock.pass(300);
    expect(await written()).toBeDefined();
    reader.reset("the client has gone");
    await clock.pass(30_300);
    expect([await written(), clock.pending]).toEqual([undefined, 0]);
  });

  test("is not written for those that nobody has asked it for", async () => {
    const { begin, clock, store } = await rig();
    begin({}, { journaled: false });
    await clock.pass(300);
    expect(store.records.count).toBe(0);
  });

  test("holds nothing up while the store is away, misses nothing afterwards, and is told of once", async () => {
    const { begin, clock, written, store, log } = await rig();
    store.records.setAway(true);
    const { generation } = begin();
    for (let position = 0; position < 8; position++) {
      generation.tokens([token(position)]);
      await clock.pass(250);
    }
    expect(log.lines.filter((line) => line.includes("journal of generations"))).toHaveLength(1);
    store.records.setAway(false);
    await clock.pass(600);
    expect((await written())?.tokens.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("is told of once also while others have nothing to write", async () => {
    const { begin, clock, store, log } = await rig();
    begin({ generation: generationId("idle") });
    await clock.pass(300);
    store.records.setAway(true);
    begin();
    await clock.pass(2_000);
    expect(log.lines.filter((line) => line.includes("journal of generations"))).toHaveLength(1);
  });

  test("is written again from its beginning where the store was emptied", async () => {
    const { begin, clock, written, store } = await rig();
    const { generation } = begin();
    generation.tokens([token(0)]);
    await clock.pass(300);
    store.records.wipe();
    generation.tokens([token(1)]);
    await clock.pass(900);
    expect((await written())?.tokens.map(({ position }) => position)).toEqual([0, 1]);
  });

  test("of a lead that was replaced is left alone by it", async () => {
    const { begin, clock, kept, store } = await rig();
    const { generation } = begin();
    await clock.pass(0);
    await store.append(GENERATION, { fence: "another lead", at: 0, bytes: Uint8Array.of(1) }, 60_000);
    generation.tokens([token(0)]);
    await clock.pass(600);
    kept.forget(GENERATION);
    await clock.pass(0);
    expect(await store.read(GENERATION)).toEqual({ fence: "another lead", entries: [Uint8Array.of(1)] });
  });
});
