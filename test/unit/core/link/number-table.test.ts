import fc from "fast-check";
import { expect, test } from "vitest";
import { type Numbered, NumberTable } from "../../../../core/link/number-table.ts";

class Entry implements Numbered<Entry> {
  readonly number: number;
  nextInSlot: Entry | undefined;

  constructor(number: number) {
    this.number = number;
  }
}

const NUMBER = fc.oneof(
  fc.nat(40),
  fc.nat(3).map((turn) => turn * 2 ** 32 + 7),
  fc.nat(300).map((past) => 2 ** 47 + past),
);

test("whatever comes and goes, the table finds what a map would", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("add", "delete"), NUMBER), { maxLength: 600 }), (changes) => {
      const table = new NumberTable<Entry>();
      const model = new Map<number, Entry>();
      for (const [change, number] of changes) {
        const known = model.get(number);
        if (change === "add" && known === undefined) {
          const entry = new Entry(number);
          table.add(entry);
          model.set(number, entry);
        } else if (change === "delete") {
          table.delete(known ?? new Entry(number));
          model.delete(number);
        }
        expect(table.get(number)).toBe(model.get(number));
        expect(table.size).toBe(model.size);
      }
      expect(new Set(table.all())).toEqual(new Set(model.values()));
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("many are open at once, and one that has left holds none of the others", () => {
  const table = new NumberTable<Entry>();
  const entries = Array.from({ length: 1_000 }, (_, number) => new Entry(number * 64));
  for (const entry of entries) table.add(entry);
  expect(entries.every((entry) => table.get(entry.number) === entry)).toBe(true);
  for (const entry of entries) table.delete(entry);
  expect([table.size, table.all(), entries.every(({ nextInSlot }) => nextInSlot === undefined)]).toEqual([0, [], true]);
});
