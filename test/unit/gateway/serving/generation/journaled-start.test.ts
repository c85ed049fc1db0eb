import { expect, test } from "vitest";
import { journaledStart } from "../../../../../gateway/serving/generation/journaled-start.ts";
import { generationOf } from "../../../node-agent/hosting-rig.ts";

const token = (choice: number, position: number, id: number) => ({ choice, position, id, logprob: -1, topLogprobs: [] });
const begunOf = (outputIds: readonly number[]) => ({ outputIds: Int32Array.from(outputIds), over: false });

test("a generation goes on after what its lead began with and what it wrote down since", () => {
  const submit = generationOf({ choices: 2, tokensMax: 9, begun: [begunOf([5, 6])] });
  const { begun, first } = journaledStart({ submit, tokens: [token(1, 0, 8), token(0, 2, 7)] });
  expect(begun).toEqual([begunOf([5, 6, 7]), begunOf([8])]);
  const [frame] = first;
  expect(frame?.kind === "tokens" && frame.tokens.map(({ choice, position, id, logprob }) => [choice, position, id, logprob])).toEqual([
    [0, 0, 5, undefined],
    [0, 1, 6, undefined],
    [0, 2, 7, -1],
    [1, 0, 8, -1],
  ]);
});

test("a choice that was over gives its last token again, so that the next lead ends it", () => {
  const submit = generationOf({ choices: 2, tokensMax: 2, stopIds: [3] });
  const { begun } = journaledStart({ submit, tokens: [token(0, 0, 3), token(1, 0, 4), token(1, 1, 5)] });
  expect(begun).toEqual([begunOf([]), begunOf([4])]);
});
