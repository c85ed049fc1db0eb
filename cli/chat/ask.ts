/** Asks a running server over OpenAI's protocol: which models it serves, and for the next message of a chat as a stream. */
import { systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { RESUMABLE, resumedEvents } from "./resumed-events.ts";

export interface ChatTurn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Names of the served models. @throws ServingError UNAVAILABLE when no server listens at `url` */
export async function servedModels(url: string, signal: AbortSignal): Promise<readonly string[]> {
  const answer = await reached(`${url}/v1/models`, { signal });
  const list = field(await jsonOf(answer), "data");
  return Array.isArray(list) ? list.map((model) => field(model, "id")).filter((id) => typeof id === "string") : [];
}

/** The answer's text as it comes; one whose gateway dies goes on at another one behind the same address. @throws ServingError with the server's own message */
export async function* answerTo(
  turns: readonly ChatTurn[],
  server: { readonly url: string; readonly model: string; readonly maxTokens: number },
  signal: AbortSignal,
): AsyncIterable<string> {
  const answer = await reached(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...RESUMABLE },
    body: JSON.stringify({ model: server.model, messages: turns, max_tokens: server.maxTokens, stream: true }),
    signal,
  });
  for await (const data of resumedEvents({ first: answer, url: () => server.url, clock: systemClock, signal })) {
    if (data === "[DONE]") return;
    const event = parsed(data);
    const failure = field(event, "error");
    if (failure !== undefined) throw new ServingError("UNAVAILABLE", `the server broke off: ${field(failure, "message") ?? data}`);
    const choices = field(event, "choices");
    const text = field(field(Array.isArray(choices) ? choices[0] : undefined, "delta"), "content");
    if (typeof text === "string" && text !== "") yield text;
  }
}

async function reached(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new ServingError("UNAVAILABLE", `no server listens at ${new URL(url).origin}: start one with npm start, or name it with --url`, {
      cause,
    });
  }
  if (answer.ok) return answer;
  const message = field(field(await jsonOf(answer), "error"), "message");
  throw new ServingError("UNKNOWN", typeof message === "string" ? message : `${url} answered ${answer.status}: is that a Nereid server?`);
}

const jsonOf = async (answer: Response): Promise<unknown> => parsed(await answer.text());

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
