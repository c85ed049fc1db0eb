/** Which tokens end a generation. */
import { expect, test } from "vitest";
import { stopTokenIds } from "../../../../partitioner/text/stop-tokens.ts";

test("a generation ends at what the files state and at the known ends of turns, each once, ascending", () => {
  const added = [
    { id: 7, text: "<|im_end|>" },
    { id: 3, text: "<|endoftext|>" },
    { id: 5, text: "<|im_start|>" },
    { id: 9, text: "<end_of_turn>" },
  ];
  expect(stopTokenIds([7, undefined, 40, 2], added)).toEqual([2, 3, 7, 9, 40]);
  expect(stopTokenIds([undefined], [])).toEqual([]);
});
