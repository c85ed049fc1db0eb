import { expect, test } from "vitest";
import { SlotLedger } from "../../../../core/wire/slot-ledger.ts";
import type { Step } from "../../../../core/wire/step.ts";

const step = (parts: Partial<Step>): Step => ({
  epoch: 1,
  step: 0,
  releases: [],
  copies: [],
  admissions: [],
  run: { kind: "none" },
  ...parts,
});
const prefill = (slot: number, past: number, count: number) =>
  step({ run: { kind: "prefill", slot, past, tokens: new Int32Array(count), sample: undefined } });
const decode = (firstSlot: number, ...pasts: number[]) =>
  step({ run: { kind: "decode", firstSlot, rows: pasts.map((past) => ({ token: 0, past, position: 0 })) } });

test("slots grow by their runs, shrink by what is written over, and empty by release", () => {
  const ledger = new SlotLedger(3);
  ledger.apply(prefill(0, 0, 10));
  ledger.apply(prefill(0, 10, 5));
  ledger.apply(decode(0, 15, 0));
  expect([ledger.held(0), ledger.held(1), ledger.held(2)]).toEqual([16, 1, 0]);
  ledger.apply(prefill(0, 4, 2));
  expect(ledger.held(0)).toBe(6);
  ledger.apply(step({ releases: [0] }));
  expect(ledger.held(0)).toBe(0);
});

test("a copy takes a part, and comes after releases and before the run", () => {
  const ledger = new SlotLedger(3);
  ledger.apply(prefill(0, 0, 10));
  ledger.apply(prefill(1, 0, 4));
  ledger.apply({ ...prefill(1, 8, 2), releases: [1], copies: [{ from: 0, to: 1, tokens: 8 }] });
  expect([ledger.held(0), ledger.held(1)]).toEqual([10, 10]);
  expect(() => ledger.apply(step({ releases: [0], copies: [{ from: 0, to: 2, tokens: 1 }] }))).toThrow(/slot 0 holds 0 tokens/);
});

test("runs over a gap are refused", () => {
  const ledger = new SlotLedger(2);
  expect(() => ledger.apply(prefill(0, 1, 2))).toThrow(/slot 0 holds 0 tokens, the step needs 1/);
  expect(() => ledger.apply(decode(0, 0, 2))).toThrow(/slot 1/);
});
