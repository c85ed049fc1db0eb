/** SmolLM2's own text bundle: ids and prompts equal to llama.cpp's, text that comes back whole, and long prompts beside the loop. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { TextBundle } from "../../../core/model/text-bundle.ts";
import { parseTextBundle, serializeTextBundle } from "../../../core/model/text-bundle-codec.ts";
import { folderModelFiles } from "../../../core/repository/folder.ts";
import { memoryModelFiles } from "../../../core/repository/memory.ts";
import { EncodePool } from "../../../gateway/text/encode-pool.ts";
import { finishText, pushToken, textFold } from "../../../gateway/text/text-fold.ts";
import { openTextModel, type TextModel } from "../../../gateway/text/text-model.ts";
import { textBundle } from "../../../partitioner/text/text-bundle.ts";
import { realModelFolder } from "../../support/real-model.ts";

const SEED = 20240615;
const RAW = { addSpecial: false };

interface GoldenTokenizer {
  readonly cases: readonly (readonly [text: string, ids: readonly number[]])[];
}
interface GoldenChats {
  readonly prompts: readonly {
    readonly name: string;
    readonly messages?: readonly { readonly role: string; readonly content: string }[];
    readonly text: string;
    readonly prompt_ids: readonly number[];
  }[];
}
const golden = (name: string): string => readFileSync(new URL(`../../golden/${name}`, import.meta.url), "utf8");
const { cases }: GoldenTokenizer = JSON.parse(golden("tokenizer.json"));
const { prompts }: GoldenChats = JSON.parse(golden("chat-prompts.json"));

/** The vocabulary has no token for the bytes 04 06 13 14 16 1D F1 F2: llama.cpp leaves such characters out too. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
const UNSPELLABLE = /[\u0004\u0006\u0013\u0014\u0016\u001d\u{40000}-\u{bffff}]/u;

let bundle: TextBundle;
let model: TextModel;

beforeAll(async () => {
  bundle = await textBundle(folderModelFiles(realModelFolder()), "1");
  model = openTextModel(serializeTextBundle(bundle));
});

function foldedText(ids: Iterable<number>): string {
  const fold = textFold(model.tokenizer.table, [], { textStart: true });
  let state = fold.start;
  let text = "";
  for (const id of ids) {
    const step = pushToken(fold, state, id);
    text += step.text;
    state = step.state;
  }
  return text + finishText(fold, state);
}

describe("the bundle of SmolLM2", () => {
  test("holds what the GGUF file says", () => {
    expect(bundle).toMatchObject({
      bosId: 1,
      addBos: false,
      bosToken: "<|im_start|>",
      eosToken: "<|im_end|>",
      stopIds: [0, 2],
      vocabSize: 49152,
      contextLength: 8192,
    });
  });

  test("comes back from text.json as it was", () => {
    expect(parseTextBundle(serializeTextBundle(bundle))).toEqual(bundle);
  });
});

describe("the tokenizer of SmolLM2", () => {
  test.each(cases)("encodes %j as llama.cpp does", (text, ids) => {
    expect([...model.tokenizer.encode(text, { addSpecial: true })]).toEqual(ids);
  });

  test("gives every text back, less its special tokens", () => {
    for (const [text, ids] of cases) {
      const plain = text.replaceAll(/<\|(?:endoftext|im_start|im_end)\|>|<(?:repo_name|file_sep|jupyter_start|empty_output)>/g, "");
      expect(model.tokenizer.decode(ids)).toBe(plain);
    }
  });

  test("gives any text back that its vocabulary can spell", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 50 }), (text) => {
        fc.pre(!UNSPELLABLE.test(text));
        const ids = model.tokenizer.encode(text, RAW);
        expect(model.tokenizer.decode(ids)).toBe(text.toWellFormed());
        expect(foldedText(ids)).toBe(text.toWellFormed());
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("folds any ids to what decoding them at once gives", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 49_151 }), { maxLength: 60 }), (ids) => {
        expect(foldedText(ids)).toBe(model.tokenizer.decode(ids));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("encodes the same from a Hugging Face folder with the same tokenizer.json", async () => {
    if (bundle.tokenizer.kind !== "huggingface") throw new Error("SmolLM2 is byte-level");
    const file = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    const files = new Map([
      ["1/tokenizer.json", file(bundle.tokenizer.tokenizer)],
      ["1/tokenizer_config.json", file({ bos_token: "<|im_start|>", eos_token: "<|im_end|>", chat_template: bundle.chatTemplate })],
      ["1/config.json", file({ max_position_embeddings: 8192, vocab_size: 49152, eos_token_id: 2 })],
    ]);
    expect(await textBundle(memoryModelFiles(files), "1")).toEqual({
      ...bundle,
      tokenizer: { ...bundle.tokenizer, config: expect.anything() },
    });
  });
});

describe("the chat template of SmolLM2", () => {
  test.each(prompts)("renders and encodes '$name' to the golden prompt", ({ messages, text, prompt_ids }) => {
    const rendered = messages === undefined ? text : model.renderChat(messages, { nowMs: 0, addGenerationPrompt: true });
    expect(rendered).toBe(text);
    expect([...model.tokenizer.encode(rendered, RAW)]).toEqual(prompt_ids);
  });
});

describe("a prompt of 400 KB", () => {
  test("is encoded while the event loop goes on turning", async () => {
    await using pool = new EncodePool({ workersMax: 1 });
    const text = cases
      .map(([part]) => part)
      .join(" ")
      .repeat(200)
      .slice(0, 400_000);
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    const ids = await pool.encode(model, text, RAW, new AbortController().signal);
    clearInterval(turning);
    expect(model.tokenizer.encode(text, RAW)).toEqual(ids);
    expect(turns).toBeGreaterThan(20); // one or two if it were encoded on this thread
  });
});
