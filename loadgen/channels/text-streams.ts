/** Language models: answers that come token by token, over OpenAI's API or the generate extension. */
import { serverSentEvents } from "../../client/http/server-sent-events.ts";
import { ServingError } from "../../core/errors.ts";
import { jsonCount, jsonField, jsonList, jsonText } from "../../core/model/json-value.ts";
import type { Call, Channel } from "../channel.ts";

export interface TextRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

/** What an event of a streamed answer says. */
interface TextEvent {
  readonly hasText: boolean;
  /** Of the whole answer, where the server counts them. */
  readonly tokens: number | undefined;
}

const DONE = "[DONE]";

/** Each event with text is a part of one token, unless the server says in the end how many there were. */
export function textChannel(requests: readonly TextRequest[], signal: AbortSignal): Channel {
  return {
    send(place, call) {
      const request = requests[place % requests.length];
      if (request === undefined) return call.ended("there is no request to send");
      stream(request, call, signal).then(
        () => call.ended(undefined),
        (thrown) => call.ended(thrown instanceof Error ? thrown.message : String(thrown)),
      );
    },
  };
}

async function stream({ url, headers, body }: TextRequest, call: Call, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body, signal });
  if (!response.ok || response.body === null) {
    throw new ServingError("UNKNOWN", `status ${response.status}: ${(await response.text()).slice(0, 1_000)}`);
  }
  let heard = 0;
  for await (const data of serverSentEvents(response.body)) {
    if (data === DONE) return;
    const event = readEvent(JSON.parse(data));
    const count = event.tokens === undefined ? (event.hasText ? 1 : 0) : event.tokens - heard;
    if (count <= 0) continue;
    heard += count;
    call.part(count);
  }
}

/** @throws ServingError for an event that tells of an error */
function readEvent(event: unknown): TextEvent {
  const error = jsonField(event, "error");
  if (error !== undefined) throw new ServingError("UNKNOWN", jsonText(error, "message") ?? String(error));
  const [choice] = jsonList(event, "choices");
  const text = jsonText(jsonField(choice, "delta"), "content") ?? jsonText(choice, "text") ?? jsonText(event, "text_output");
  return { hasText: text !== undefined && text !== "", tokens: jsonCount(jsonField(event, "usage"), "completion_tokens") };
}
