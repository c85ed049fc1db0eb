import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseEvictions, type Guest, type NodeGuests } from "../../../../gateway/placement/choose-evictions.ts";

const RUNS = { seed: 31, numRuns: 500 };
const guest = fc.record({ bytes: fc.integer({ min: 0, max: 50 }), worth: fc.integer({ min: 0, max: 100 }), idle: fc.boolean() });
const cluster = fc
  .array(fc.record({ freeBytes: fc.integer({ min: 0, max: 30 }), guests: fc.array(guest, { maxLength: 6 }) }), { maxLength: 4 })
  .map((nodes) =>
    nodes.map(
      ({ freeBytes, guests }, node): NodeGuests => ({
        freeBytes,
        guests: guests.map((one, index) => ({ ...one, model: `${node}.${index}` })),
      }),
    ),
  );
const need = fc.integer({ min: 1, max: 120 });

const sum = (guests: readonly Guest[]) => guests.reduce((bytes, one) => bytes + one.bytes, 0);
const named = (nodes: readonly NodeGuests[], models: readonly string[]) =>
  nodes.flatMap(({ guests }) => guests).filter(({ model }) => models.includes(model));

describe("making room", () => {
  test("unloads nothing where there is room", () => {
    fc.assert(
      fc.property(cluster, need, (nodes, bytes) => {
        const fits = nodes.some(({ freeBytes }) => freeBytes >= bytes);
        expect(chooseEvictions(bytes, nodes).kind === "fits").toBe(fits);
      }),
      RUNS,
    );
  });

  test("gives up only where not even all idle models of a node would make room", () => {
    fc.assert(
      fc.property(cluster, need, (nodes, bytes) => {
        const possible = nodes.some(({ freeBytes, guests }) => freeBytes + sum(guests.filter(({ idle }) => idle)) >= bytes);
        expect(chooseEvictions(bytes, nodes).kind === "full").toBe(!possible);
      }),
      RUNS,
    );
  });

  test("makes enough room on one node, touches only what is idle, and nothing that could stay", () => {
    fc.assert(
      fc.property(cluster, need, (nodes, bytes) => {
        const evictions = chooseEvictions(bytes, nodes);
        if (evictions.kind !== "evict") return;
        const gone = named(nodes, evictions.models);
        expect(gone.every(({ idle }) => idle)).toBe(true);
        const node = nodes.find(({ guests }) => gone.every((one) => guests.includes(one)));
        const free = (node?.freeBytes ?? 0) + sum(gone);
        expect(free).toBeGreaterThanOrEqual(bytes);
        for (const one of gone) expect(free - one.bytes).toBeLessThan(bytes);
      }),
      RUNS,
    );
  });

  test("spares what is asked for often and slow to load, where something else is as large", () => {
    const guests: readonly Guest[] = [
      { model: "often", bytes: 10, worth: 50, idle: true },
      { model: "seldom", bytes: 10, worth: 1, idle: true },
      { model: "running", bytes: 10, worth: 0, idle: false },
    ];
    expect(chooseEvictions(10, [{ freeBytes: 0, guests }])).toEqual({ kind: "evict", models: ["seldom"] });
  });
});
