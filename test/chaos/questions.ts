/** What load asks: of the stateless model, and of the language model, each with the answer that is right. */
import { type CompletionFields, complete, post, WITHOUT_END } from "../cluster/completion-client.ts";
import { FRAGILE, LANGUAGE, STATELESS } from "./chaos-models.ts";
import type { Ask } from "./load.ts";

/** Where to ask, for each question anew. */
export type Where = (client: number) => string;

export const STATELESS_REQUEST = {
  path: `/v2/models/${STATELESS}/infer`,
  body: {
    inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "FP32", shape: [1, 4], data: [1, 2, 3, 4] })),
    outputs: [{ name: "OUTPUT0" }],
  },
};
const SUM = JSON.stringify([2, 4, 6, 8]);

export function askStateless(where: Where): Ask {
  return async (client) => {
    const response = await post(where(client), STATELESS_REQUEST.path, STATELESS_REQUEST.body);
    const text = await response.text();
    const answer: { readonly outputs?: readonly { readonly data: readonly number[] }[] } = response.ok ? JSON.parse(text) : {};
    if (JSON.stringify(answer.outputs?.[0]?.data) !== SUM) throw new Error(`${response.status} ${text}`);
  };
}

/** Of the fragile model. */
export function remainderOnce(
  url: string,
  values: readonly number[],
  divisor: number,
  parameters: Readonly<Record<string, number>> = {},
): Promise<Response> {
  const input = (name: string, data: readonly number[]) => ({ name, datatype: "INT32", shape: [data.length, 1], data });
  const inputs = [
    input("INPUT0", values),
    input(
      "INPUT1",
      values.map(() => divisor),
    ),
  ];
  return post(url, `/v2/models/${FRAGILE}/infer`, { inputs, parameters });
}

export function askFragile(where: Where): Ask {
  return async (client) => {
    const response = await remainderOnce(where(client), [142], 100);
    const text = await response.text();
    if (!response.ok || !text.includes("[42]")) throw new Error(`${response.status} ${text}`);
  };
}

const QUESTION: CompletionFields = { ...WITHOUT_END, prompt: "The capital of France is", max_tokens: 6, model: LANGUAGE };

/** Asks once for the answer that all others must have. */
export async function askLanguage(where: Where): Promise<Ask> {
  const { text: wanted } = await complete(where(0), QUESTION);
  return async (client) => {
    const { text } = await complete(where(client), QUESTION);
    if (text !== wanted) throw new Error(`another answer: ${JSON.stringify(text)}`);
  };
}
