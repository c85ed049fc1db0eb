/** What a load may bring along. */
import { expect, test } from "vitest";
import { parseLoadRequest } from "../../../../gateway/kserve/load-request.ts";

const parse = (body: string) => parseLoadRequest(Buffer.from(body));

test("a configuration and files take the place of the repository's", () => {
  const parameters = { config: '{"backend":"x"}', "file:1/model.onnx": Buffer.from([1, 2, 255]).toString("base64") };
  expect(parse(JSON.stringify({ parameters }))).toEqual({
    config: '{"backend":"x"}',
    files: new Map([["1/model.onnx", Uint8Array.of(1, 2, 255)]]),
  });
});

test.each(["", "{}", '{"parameters":{}}'])("%j brings nothing", (body) => {
  expect(parse(body)).toEqual({ files: new Map() });
});

test.each([
  ['{"parameters":{"zz":1}}', "attempt to access JSON non-string as string"],
  ['{"parameters":{"zz":"1"}}', "unexpected error on creating Triton parameter"],
  ['{"parameters":5}', "attempt to access JSON non-object as object"],
  ["{", "failed to parse the request JSON buffer: Missing a name for object member. at 1"],
])("%s is refused as Triton refuses it", (body, message) => {
  expect(() => parse(body)).toThrow(expect.objectContaining({ code: "INTERNAL", message }));
});
