import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HpackDecoder } from "../../../../../gateway/http2/hpack/decoder.ts";
import { headerBlock } from "../../../../../gateway/http2/hpack/encoder.ts";

const SEED = 20_260_801;
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const decoder = (tableBytesMax = 4096, listBytesMax = 16_384) => new HpackDecoder({ tableBytesMax, listBytesMax });
const read = (reader: HpackDecoder, hex: string) => reader.decode(bytes(hex))?.fields.map(({ name, value }) => `${name}: ${value}`);

describe("the standard's examples", () => {
  // RFC 7541, appendix C.3 and C.4: the same requests without and with Huffman coding.
  test.each([
    [
      "plain",
      "828684410f7777772e6578616d706c652e636f6d",
      "828684be58086e6f2d6361636865",
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ],
    [
      "in Huffman's code",
      "828684418cf1e3c2e5f23a6ba0ab90f4ff",
      "828684be5886a8eb10649cbf",
      "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ],
  ])("of requests, %s, are read", (_, first, second, third) => {
    const reader = decoder();
    const common = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    expect(read(reader, first)).toEqual(common);
    expect(read(reader, second)).toEqual([...common, "cache-control: no-cache"]);
    expect(read(reader, third)).toEqual([
      ":method: GET",
      ":scheme: https",
      ":path: /index.html",
      ":authority: www.example.com",
      "custom-key: custom-value",
    ]);
  });

  // Appendix C.6: answers, with a table of 256 bytes, out of which the oldest entries fall.
  test("of answers are read while the table forgets", () => {
    const reader = decoder(256);
    const [date, later] = ["date: Mon, 21 Oct 2013 20:13:21 GMT", "date: Mon, 21 Oct 2013 20:13:22 GMT"];
    const first = "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3";
    expect(read(reader, first)).toEqual([":status: 302", "cache-control: private", date, "location: https://www.example.com"]);
    expect(read(reader, "4883640effc1c0bf")).toEqual([":status: 307", "cache-control: private", date, "location: https://www.example.com"]);
    const third =
      "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007";
    expect(read(reader, third)).toEqual([
      ":status: 200",
      "cache-control: private",
      later,
      "location: https://www.example.com",
      "content-encoding: gzip",
      "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ]);
  });

  test("of an integer that takes several bytes is read", () => {
    const long = "x".repeat(1337);
    expect(decoder().decode(headerBlock({ long }))?.fields).toEqual([{ name: "long", value: long }]);
  });
});

describe("what cannot be read", () => {
  test.each([
    ["an index of nothing", "80"],
    ["an index that the table does not have", "be"],
    ["the name of an index that the table does not have", "7f0001 61"],
    ["a name that is cut", "0005 6162"],
    ["a value that is missing", "0001 61"],
    ["an integer that is cut", "ff"],
    ["an integer without end", "ff ffffffffffffffff7f"],
    ["Huffman's end of text", "0001 61 84 ffffffff"],
    ["padding longer than seven bits", "0001 61 82 1fff"],
    ["padding that is not ones", "0001 61 81 18"],
    ["a table larger than allowed", "3fe2 1f"],
    ["a table's size behind a field", "82 20"],
  ])("%s ends it", (_, hex) => {
    expect(decoder().decode(bytes(hex))).toBeUndefined();
  });

  test("any bytes are fields within the limit, or nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (blocks) => {
        const reader = decoder(4096, 1_000);
        for (const block of blocks) {
          const list = reader.decode(Buffer.from(block));
          if (list === undefined) break;
          const size = list.fields.reduce((sum, { name, value }) => sum + name.length + value.length + 32, 0);
          expect(size).toBeLessThanOrEqual(1_000);
        }
      }),
      { seed: SEED, numRuns: 3_000 },
    );
  });
});

test("a block of 16 KiB that names one large entry again and again is cut at the limit", () => {
  const reader = decoder();
  const large = "v".repeat(4_000);
  const adds = Buffer.concat([bytes("4001 61 7f a11e"), Buffer.from(large)]);
  expect(reader.decode(adds)?.fields).toEqual([{ name: "a", value: large }]);
  const list = reader.decode(Buffer.alloc(16_000, 0xbe));
  expect([list?.fields.length, list?.oversized]).toEqual([4, true]);
});

test("a table may be emptied and filled again, and what is too large for it only empties it", () => {
  const reader = decoder();
  expect(read(reader, "40 0161 0162")).toEqual(["a: b"]);
  expect(read(reader, "be")).toEqual(["a: b"]);
  expect(read(reader, "20 3f e1 1f 82")).toEqual([":method: GET"]);
  expect(reader.decode(bytes("be"))).toBeUndefined();
  const small = decoder(64);
  expect(read(small, "40 0161 0162")).toEqual(["a: b"]);
  expect(small.decode(Buffer.concat([bytes("4001 61 28"), Buffer.alloc(40, "x")]))?.fields).toHaveLength(1);
  expect(small.decode(bytes("be"))).toBeUndefined();
});

test("what an encoder writes is read as it was", () => {
  const name = fc.stringMatching(/^[a-z-]{1,20}$/);
  const value = fc.stringMatching(/^[\x20-\x7e]{0,200}$/);
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 10, noNullPrototype: true }), (headers) => {
      const list = decoder().decode(headerBlock(headers));
      expect(Object.fromEntries((list?.fields ?? []).map((field) => [field.name, field.value]))).toEqual(headers);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("a block that changes nothing leaves the version as it is; one that does changes it", () => {
  const reader = decoder();
  const before = reader.version;
  read(reader, "82 00 0161 0162");
  expect(reader.version).toBe(before);
  read(reader, "40 0161 0162");
  expect(reader.version).not.toBe(before);
});
