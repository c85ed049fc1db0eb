import { describe, expect, test } from "vitest";
import type { Dtype } from "../../../../../core/tensor/dtype.ts";
import { joinBytesElements, type Tensor } from "../../../../../core/tensor/tensor.ts";
import { languageCall } from "../../../../../gateway/kserve/generate/language-request.ts";

const texts = (name: string, ...all: readonly string[]): Tensor => {
  return { name, dtype: "BYTES", shape: [all.length], data: joinBytesElements(all.map((text) => Buffer.from(text))) };
};
const number = (name: string, dtype: Dtype, values: Uint32Array | Float32Array | BigUint64Array | Uint8Array): Tensor => {
  return { name, dtype, shape: [1], data: new Uint8Array(values.buffer) };
};
const NO_PARAMETERS = new Map();

describe("a request for text as tensors", () => {
  test("means what the same request means as JSON", () => {
    const inputs = [
      texts("text_input", "größe 🌊"),
      number("max_tokens", "INT32", Uint32Array.of(7)),
      number("temperature", "FP32", Float32Array.of(0.5)),
      number("random_seed", "UINT64", BigUint64Array.of(2n ** 63n + 1n)),
      number("stream", "BOOL", Uint8Array.of(0)),
      texts("stop_words", "a", "b"),
    ];
    expect(languageCall({ inputs, parameters: NO_PARAMETERS })).toMatchObject({
      text: "größe 🌊",
      tokensMax: 7,
      stop: ["a", "b"],
      stream: false,
      sampling: { temperature: 0.5, seed: 2n ** 63n + 1n },
    });
  });

  test("takes parameters for inputs that are not given", () => {
    const parameters = new Map<string, string | number | boolean | bigint>([
      ["max_tokens", 3n],
      ["top_p", 0.25],
      ["own", "x"],
    ]);
    const call = languageCall({ inputs: [texts("text_input", "a"), number("max_tokens", "INT32", Uint32Array.of(7))], parameters });
    expect([call.tokensMax, call.sampling.topP, call.sampling.seed]).toEqual([7, 0.25, undefined]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %d where a number is meant", (value) => {
    const inputs = [texts("text_input", "a"), number("temperature", "FP32", Float32Array.of(value))];
    expect(() => languageCall({ inputs, parameters: NO_PARAMETERS })).toThrow("input 'temperature' is not finite");
  });
});
