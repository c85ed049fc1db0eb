/**
 * A stream that is cut anywhere and taken up by another gateway is the stream that was not cut: text, tokens, ends and usage, however
 * tokens came together in frames, within characters, stop strings and between choices.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { AnswerFrame, ChoiceToken } from "../../../../../core/messages/generation.ts";
import { EventIds, lastEvent } from "../../../../../gateway/http/resumable-stream.ts";
import { CompletionChunks } from "../../../../../gateway/openai/completion-answer.ts";
import { ChoiceFold } from "../../../../../gateway/serving/generation/choice-fold.ts";
import type { TextEvent } from "../../../../../gateway/serving/generation/text-generation.ts";
import { textFold } from "../../../../../gateway/text/text-fold.ts";
import { createTokenizer } from "../../../../../gateway/text/tokenizer.ts";
import { byteLevelBundle } from "../../../../support/text-bundles.ts";

const SEED = 20261123;
const { table } = createTokenizer(byteLevelBundle(["a b", "ab c"]));
const HEAD = { id: "cmpl-g", object: "text_completion", created: 1, model: "m", system_fingerprint: "f" };
const STARTED = { kind: "started", generation: "g", model: "m", version: "1", promptTokens: 3 } as const;
const STOPS = ["abc", "caa"];
/** Bytes of letters that stop strings are made of, of half a character and of a whole one, and merged tokens. */
const IDS = [97, 97, 98, 99, 0xf0, 0x9f, 0x8c, 0x8a, 0xc3, 0xa9, 256, 257];

interface Stream {
  readonly choices: number;
  /** In the order in which the lead had them. */
  readonly frames: readonly AnswerFrame[];
}

const stream: fc.Arbitrary<Stream> = fc
  .array(fc.array(fc.constantFrom(...IDS), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 })
  .chain((choices) =>
    fc.infiniteStream(fc.nat()).map((dice) => {
      const left = choices.map((ids, choice) => ({ choice, ids, position: 0 }));
      const frames: AnswerFrame[] = [];
      while (left.length > 0) {
        const index = (dice.next().value ?? 0) % left.length;
        const one = left[index];
        if (one === undefined) break;
        const { choice, ids, position } = one;
        const id = ids[position];
        one.position += 1;
        if (id !== undefined) frames.push({ kind: "tokens", tokens: [tokenOf(choice, position, id)] });
        else {
          frames.push({ kind: "finished", choice, reason: "length" });
          left.splice(index, 1);
        }
      }
      return { choices: choices.length, frames };
    }),
  );

function tokenOf(choice: number, position: number, id: number): ChoiceToken {
  return { choice, position, id, logprob: -position - choice / 4, topLogprobs: [[97, -position]] };
}

/** What a gateway writes when frames come to it in groups of these sizes. */
function written({ choices, frames }: Stream, groups: readonly number[], lastId?: string): readonly string[] {
  const place = lastEvent({ header: () => lastId });
  const fold = new ChoiceFold(textFold(table, STOPS, { textStart: false }), choices, place?.told ?? []);
  const shape = { endpoint: "completion", createdSeconds: 1, choices, logprobs: true, includeUsage: true, echoed: [] } as const;
  const encoder = new CompletionChunks(HEAD, STARTED, { ...shape, echoed: [] });
  const ids = new EventIds(place ?? { generation: "g", told: undefined });
  const sent: string[] = [];
  const send = (event: TextEvent) => sent.push(ids.frames(event, encoder.encode(event)));
  send({ ...STARTED, ...(place !== undefined && { told: true }) });
  let from = 0;
  for (let group = 0; from < frames.length; group++) {
    const to = from + Math.max(1, groups[group % groups.length] ?? 1);
    for (const event of fold.push(frames.slice(from, to)).events) send(event);
    from = to;
  }
  sent.push(encoder.end());
  return sent.filter((frame) => frame !== "");
}

interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly text: string;
    readonly finish_reason: string | null;
    readonly logprobs: {
      readonly tokens: readonly string[];
      readonly token_logprobs: readonly number[];
      readonly text_offset: readonly number[];
    };
  }[];
  readonly usage: unknown;
}

/** Everything that a client has in the end. */
function heard(frames: readonly string[], choices: number) {
  const answers = Array.from({ length: choices }, () => ({ text: "", ends: [] as string[], tokens: [] as string[] }));
  const usages: unknown[] = [];
  for (const [, data = ""] of frames.join("").matchAll(/^data: (.*)$/gm)) {
    if (data === "[DONE]") continue;
    const chunk: Chunk = JSON.parse(data);
    if (chunk.usage !== null) usages.push(chunk.usage);
    for (const { index, text, finish_reason, logprobs } of chunk.choices) {
      const answer = answers[index];
      if (answer === undefined) continue;
      answer.text += text;
      if (finish_reason !== null) answer.ends.push(finish_reason);
      for (const [at, token] of (logprobs?.tokens ?? []).entries()) {
        answer.tokens.push(`${token} ${logprobs.token_logprobs[at]} @${logprobs.text_offset[at]}`);
      }
    }
  }
  return { answers, usages };
}

const groups = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

test("a stream that is cut twice and taken up elsewhere has every token, character and end once", () => {
  let cuts = 0;
  fc.assert(
    fc.property(stream, groups, groups, groups, fc.nat(), fc.nat(), (one, first, second, third, firstCut, secondCut) => {
      const whole = heard(written(one, first), one.choices);
      const got: string[] = [];
      const take = (frames: readonly string[], cut: number) => {
        got.push(...frames.slice(0, cut % frames.length));
        return got
          .join("")
          .match(/^id: (.*)$/gm)
          ?.at(-1)
          ?.slice(4);
      };
      const firstId = take(written(one, first), firstCut);
      const secondId = take(written(one, second, firstId), secondCut);
      got.push(...written(one, third, secondId));
      expect(heard(got, one.choices)).toEqual(whole);
      if (firstId !== undefined && firstId !== secondId) cuts += 1;
    }),
    { seed: SEED, numRuns: 2_000 },
  );
  expect(cuts).toBeGreaterThan(500);
});
