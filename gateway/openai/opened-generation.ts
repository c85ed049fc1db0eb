/** One stream of events for a call of one or several prompts. Choices are numbered over all prompts: prompt · n + k. */
import { linkedSignal } from "../../core/abort.ts";
import { assert, ServingError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { KeyBudget } from "../quotas/budgets.ts";
import type { RouteExplanation } from "../routing/route-explanation.ts";
import type { TextEvent, TextGeneration, TextRequest } from "../serving/generation/text-generation.ts";
import type { GenerationCall } from "./generation-call.ts";

export interface CallContext {
  readonly tenant: string;
  /** undefined: without limits. */
  readonly budget?: KeyBudget | undefined;
  /** As in TextRequest. */
  readonly explanation?: RouteExplanation | undefined;
  readonly traceparent: string;
  readonly signal: AbortSignal;
  /** As in TextRequest. */
  readonly resumable?: string | undefined;
}

/**
 * The first event is `started`, with the prompt tokens of all prompts. Aborting, failing and leaving the loop end all of them.
 * @throws ServingError as `TextGeneration.generate`
 */
export function openGeneration(generation: TextGeneration, call: GenerationCall, random: Random, context: CallContext) {
  const requests = textRequests(call, random, context);
  const [only] = requests;
  assert(only !== undefined, "a call has a prompt");
  return requests.length === 1 ? generation.generate(only, context.signal) : merged(generation, requests, context.signal);
}

function textRequests(
  call: GenerationCall,
  random: Random,
  { tenant, budget, explanation, traceparent, resumable }: CallContext,
): readonly TextRequest[] {
  if (resumable !== undefined && call.prompts.length > 1) {
    const message = `a stream of ${call.prompts.length} prompts cannot be resumed: send a request for each, or leave X-Nereid-Resumable out`;
    throw new ServingError("INVALID_ARGUMENT", message, { param: "prompt" });
  }
  const { model, choices, tokensMax, stop } = call;
  const sampling = { ...call.sampling, seed: call.sampling.seed ?? random.seed() };
  const common = { model, tenant, budget, explanation, choices, tokensMax, stop, sampling, deadlineMs: undefined, traceparent };
  return call.prompts.map((prompt) => ({ ...common, prompt, ...(resumable !== undefined && { resumable }) }));
}

type Pulled =
  | { readonly prompt: number; readonly result: IteratorResult<TextEvent> }
  | { readonly prompt: number; readonly thrown: unknown };

async function* merged(generation: TextGeneration, requests: readonly TextRequest[], signal: AbortSignal): AsyncGenerator<TextEvent> {
  using linked = linkedSignal(signal);
  const streams = requests.map((request) => generation.generate(request, linked.signal)[Symbol.asyncIterator]());
  const pull = (prompt: number): Promise<Pulled> => {
    const stream = streams[prompt];
    assert(stream !== undefined, `prompt ${prompt} has a stream`);
    return stream.next().then(
      (result) => ({ prompt, result }),
      (thrown: unknown) => ({ prompt, thrown }),
    );
  };
  const pending = new Map(requests.map((_, prompt) => [prompt, pull(prompt)]));
  try {
    yield startedTogether((await Promise.all(pending.values())).map(eventOf));
    for (const prompt of pending.keys()) pending.set(prompt, pull(prompt));
    while (pending.size > 0) {
      const pulled = await Promise.race(pending.values());
      const event = eventOf(pulled);
      pending.delete(pulled.prompt); // and last in line again, so that no prompt keeps the others waiting
      if (event === undefined) continue;
      assert(event.kind !== "started", "a generation starts once");
      yield { ...event, choice: pulled.prompt * (requests[pulled.prompt]?.choices ?? 1) + event.choice };
      pending.set(pulled.prompt, pull(pulled.prompt));
    }
  } finally {
    linked.abort(new ServingError("CANCELLED", "the call has ended"));
    await Promise.allSettled(streams.map((stream) => stream.return?.()));
  }
}

function eventOf(pulled: Pulled): TextEvent | undefined {
  if ("thrown" in pulled) throw pulled.thrown;
  return pulled.result.done === true ? undefined : pulled.result.value;
}

function startedTogether(firsts: readonly (TextEvent | undefined)[]): TextEvent {
  const started = firsts.map((first) => {
    assert(first?.kind === "started", "a generation begins with `started`");
    return first;
  });
  const [first] = started;
  assert(first !== undefined, "there is a prompt");
  return { ...first, promptTokens: started.reduce((sum, { promptTokens }) => sum + promptTokens, 0) };
}
