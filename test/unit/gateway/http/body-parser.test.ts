/** Bodies parsed here and in a worker come out the same. */
import { afterAll, describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import type { Body } from "../../../../gateway/http/body.ts";
import { BodyParsers } from "../../../../gateway/http/body-parser.ts";
import { chatParser, parseChatRequest } from "../../../../gateway/openai/chat-request.ts";

const parsers = new BodyParsers();

afterAll(() => parsers.close());

/** In pieces, as they come from a socket. */
function bodyOf(value: unknown, padding = 0): Body {
  const bytes = Buffer.from(JSON.stringify(value) + " ".repeat(padding));
  const half = Math.floor(bytes.length / 2);
  return { byteLength: bytes.length, segments: [new Uint8Array(bytes.subarray(0, half)), new Uint8Array(bytes.subarray(half))] };
}

const REQUEST = { model: "m", messages: [{ role: "user", content: "größer" }], seed: -1, stop: ["x"] };
const LARGE = 512 * 1024;

describe("a body is parsed here when it is small, elsewhere when it is large", () => {
  test("with the same outcome", async () => {
    const here = parsers.parse(chatParser, bodyOf(REQUEST));
    expect(here).toEqual(parseChatRequest(Buffer.from(JSON.stringify(REQUEST))));
    const elsewhere = parsers.parse(chatParser, bodyOf(REQUEST, LARGE));
    expect(elsewhere).toBeInstanceOf(Promise);
    expect(await elsewhere).toEqual(here);
  });

  test("with the same refusal", async () => {
    const refused = parsers.parse(chatParser, bodyOf({ ...REQUEST, n: 99 }, LARGE));
    await expect(refused).rejects.toBeInstanceOf(ServingError);
    await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", param: "n", reason: undefined });
  });

  test("several at once, each with its own answer, and too many are refused", async () => {
    const stops = Array.from({ length: 16 }, (_, index) => `s${index}`);
    const answers = stops.map((stop) => parsers.parse(chatParser, bodyOf({ ...REQUEST, stop }, LARGE)));
    expect(() => parsers.parse(chatParser, bodyOf(REQUEST, LARGE))).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
    expect((await Promise.all(answers)).map(({ stop }) => stop[0])).toEqual(stops);
  });

  test("after the worker has died the next one gets another", async () => {
    const dying = new BodyParsers();
    const lost = dying.parse(chatParser, bodyOf(REQUEST, LARGE));
    await dying.close();
    await expect(lost).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(await dying.parse(chatParser, bodyOf(REQUEST, LARGE))).toMatchObject({ model: "m" });
    await dying.close();
  });
});
