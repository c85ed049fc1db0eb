/** The generate extension's answers of models of tensors: exactly one as a whole, or an event for each. */
import { ServingError } from "../../../core/errors.ts";
import type { DecoupledResponse } from "../../serving/inference.ts";
import { errorFrame } from "../error-frame.ts";
import { generateText } from "./generate-tensors-answer.ts";
import { isBareEnd } from "./model-responses.ts";

/** Answered with status 200, as by Triton. */
const NOT_ONE =
  "generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses";

/** The answer, or that there are more or none. @throws ServingError what the request failed with */
export async function onlyText(id: string, responses: AsyncIterable<DecoupledResponse>): Promise<string> {
  let only: DecoupledResponse | undefined;
  for await (const response of responses) {
    if (response.error !== undefined) throw response.error;
    if (isBareEnd(response)) break;
    if (only !== undefined) return JSON.stringify({ error: NOT_ONE });
    only = response;
  }
  return only === undefined ? JSON.stringify({ error: NOT_ONE }) : generateText(id, only);
}

/** Nothing is said for the end. What the request fails with is the last event. */
export async function* generateEvents(id: string, responses: AsyncIterable<DecoupledResponse>): AsyncGenerator<string> {
  try {
    for await (const response of responses) {
      if (response.error !== undefined) yield errorFrame(response.error);
      else if (!isBareEnd(response)) yield `data: ${generateText(id, response)}\n\n`;
    }
  } catch (thrown) {
    yield errorFrame(ServingError.from(thrown));
  }
}
