/** Answers become frames and answers again, each with its own outputs and parameters. */
import { expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { decodeAnswer } from "../../../../core/messages/answer-codec.ts";
import type { ParameterValues } from "../../../../core/messages/parameter-value.ts";
import { finalResponseFrames, ResponseAssembler, responseFrames } from "../../../../core/messages/response-frames.ts";
import type { Tensor } from "../../../../core/tensor/tensor.ts";

test("each answer keeps its parameters, the last one, too, and a failed one is told between them", () => {
  const outputs: readonly Tensor[] = [{ name: "OUT", dtype: "UINT8", shape: [3], data: Uint8Array.of(1, 2, 3) }];
  const parameters: ParameterValues = new Map<string, string | boolean>([
    ["language", "de"],
    ["last", true],
  ]);
  const failed = new ServingError("INTERNAL", "this one not");
  const sent = [
    ...responseFrames(outputs, parameters),
    ...responseFrames(failed),
    ...responseFrames(outputs),
    ...finalResponseFrames({ outputs, parameters }),
  ];
  const assembler = new ResponseAssembler();
  expect(sent.map((frame) => assembler.push(decodeAnswer(frame)))).toEqual([
    { kind: "response", result: expect.objectContaining({ outputs, parameters }) },
    { kind: "failed", error: failed },
    { kind: "response", result: expect.not.objectContaining({ parameters: expect.anything() }) },
    { kind: "final", result: expect.objectContaining({ outputs, parameters }) },
  ]);
});
