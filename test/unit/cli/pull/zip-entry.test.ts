/** One entry of a zip archive: read whole, or refused with the reason. */
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openZipEntry } from "../../../../cli/pull/zip-entry.ts";
import { type ArchiveEntry, zipArchive } from "./zip-archive.ts";

async function readEntry(archive: Uint8Array, name: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "nereid-zip-"));
  try {
    const path = join(folder, "archive.zip");
    await writeFile(path, archive);
    await using file = await open(path);
    const entry = await openZipEntry(file, name);
    const content = await buffer(entry.content());
    expect(content.length).toBe(entry.bytes);
    return content;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const one = (entry: Partial<ArchiveEntry> = {}): Buffer => zipArchive([{ name: "a.txt", content: text("hello".repeat(999)), ...entry }]);

describe("an entry of a zip archive", () => {
  test("comes out as it went in, stored or deflated, whatever lies beside it", async () => {
    const entries = fc.array(
      fc.record({ content: fc.uint8Array({ maxLength: 5_000 }), method: fc.constantFrom("stored" as const, "deflated" as const) }),
      { minLength: 1, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(entries, fc.nat(4), fc.string({ maxLength: 50 }), async (contents, pick, comment) => {
        const named = contents.map((entry, index) => ({ ...entry, name: `folder/${index}` }));
        const chosen = named[pick % named.length];
        if (chosen === undefined) throw new Error("assertion failed: at least one entry");
        expect((await readEntry(zipArchive(named, comment), chosen.name)).equals(chosen.content)).toBe(true);
      }),
      { seed: 20_260_101, numRuns: 40 },
    );
  });

  test("that is not there is named", async () => {
    await expect(readEntry(one(), "b.txt")).rejects.toMatchObject({ code: "NOT_FOUND", message: "the archive has no entry 'b.txt'" });
  });

  test.each([
    ["a file that is no archive", text("GGUF".repeat(100)), "no end record"],
    ["an empty file", new Uint8Array(), "no end record"],
    ["an archive cut short", one().subarray(0, -3), "no end record"],
    ["an archive without its beginning", one().subarray(10), "cannot be read"],
    ["a wrong checksum", one({ claims: { crc: 1 } }), "does not match its checksum"],
    ["content longer than it says", one({ claims: { bytes: 10 } }), "is not 10 bytes long"],
    ["content shorter than it says", one({ claims: { bytes: 9_999 } }), "is not 9999 bytes long"],
    ["encryption", one({ claims: { flags: 1 } }), "is encrypted"],
    ["another method of packing", one({ claims: { method: 93 } }), "is packed by method 93"],
    ["content that cannot be unpacked", one({ method: "stored", claims: { method: 8 } }), "cannot be unpacked"],
  ])("is refused for %s", async (_, archive, reason) => {
    await expect(readEntry(archive, "a.txt")).rejects.toMatchObject({ code: "DATA_LOSS", message: expect.stringContaining(reason) });
  });
});
