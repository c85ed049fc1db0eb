import { describe, expect, test } from "vitest";
import { JournalKeys } from "../../../../../core/store/journals/journal-seal.ts";

const hex = (digit: string): string => digit.repeat(64);
const base64 = (byte: number): string => Buffer.alloc(32, byte).toString("base64");
const journal = { generation: "g", fence: "f" };
const content = Uint8Array.from({ length: 100 }, (_, index) => index);

describe("a sealed entry", () => {
  const keys = new JournalKeys(hex("a"));

  test("is what it was once it is opened, and shows nothing of it before", () => {
    const sealed = keys.seal(journal, 3, content);
    expect([...keys.open(journal, 3, sealed)]).toEqual([...content]);
    expect(Buffer.from(sealed).includes(Buffer.from(content.subarray(0, 4)))).toBe(false);
    expect([...keys.open(journal, 0, keys.seal(journal, 0, new Uint8Array()))]).toEqual([]);
  });

  test("passes for no other one: not in another place, another journal, another generation", () => {
    const sealed = keys.seal(journal, 3, content);
    for (const [name, at] of [
      [journal, 2],
      [{ ...journal, fence: "h" }, 3],
      [{ ...journal, generation: "h" }, 3],
    ] as const) // prettier
      expect(() => keys.open(name, at, sealed)).toThrow(expect.objectContaining({ code: "DATA_LOSS" }));
  });

  test("with any byte changed, or cut anywhere, is not opened", () => {
    const sealed = keys.seal(journal, 0, content.subarray(0, 8));
    for (const index of sealed.keys()) {
      const changed = Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte));
      expect(() => keys.open(journal, 0, changed), `byte ${index}`).toThrow(/journal/);
      expect(() => keys.open(journal, 0, sealed.subarray(0, index)), `cut ${index}`).toThrow(/journal/);
    }
  });

  test("needs the key that sealed it, which may have been replaced since", () => {
    const sealed = keys.seal(journal, 0, content);
    const rotated = new JournalKeys(`${base64(7)}\n${hex("a")}\n`);
    expect([...rotated.open(journal, 0, sealed)]).toEqual([...content]);
    expect(() => keys.open(journal, 0, rotated.seal(journal, 0, content))).toThrow(/--journal-key-file/);
  });

  test("is another one for another generation with the same content", () => {
    expect(keys.seal(journal, 0, content)).not.toEqual(keys.seal({ ...journal, generation: "h" }, 0, content));
  });
});

test.each([
  ["", /no key/],
  [" \n", /no key/],
  ["short", /key 1 is none/],
  [`${base64(1)}\nsecret-words`, /key 2 is none/],
] as const)("%j holds no keys, and is not repeated", (text, why) => {
  expect(() => new JournalKeys(text)).toThrow(why);
  expect(() => new JournalKeys(text)).not.toThrow(/secret-words|short/);
});
