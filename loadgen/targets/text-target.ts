/** Language models: streamed answers over OpenAI's API or the generate extension. */
import { modelPath } from "../../client/http/paths.ts";
import type { Target } from "../channel.ts";
import { type TextRequest, textChannel } from "../channels/text-streams.ts";

export interface TextTargetOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly model: string;
  readonly service: "openai" | "generate";
  /** Of OpenAI's API: `v1/chat/completions` or `v1/completions`. */
  readonly endpoint: string;
  readonly prompts: readonly string[];
  readonly maxTokens: number;
  /** Instead of what is made of the prompts. */
  readonly payloads: readonly object[];
}

export function textTarget(options: TextTargetOptions): Target {
  const { headers, prompts, payloads } = options;
  const stop = new AbortController();
  const bodies = payloads.length > 0 ? payloads : prompts.map((prompt) => bodyOf(prompt, options));
  const requests: readonly TextRequest[] = bodies.map((body) => ({ url: addressOf(options), headers, body: JSON.stringify(body) }));
  return {
    open: () => Promise.resolve(textChannel(requests, stop.signal)),
    [Symbol.asyncDispose]: () => Promise.resolve(stop.abort()),
  };
}

function addressOf({ url, model, service, endpoint }: TextTargetOptions): string {
  const path = service === "openai" ? `/${endpoint.replace(/^\//, "")}` : modelPath(model, undefined, "/generate_stream");
  return `${url.href.replace(/\/$/, "")}${path}`;
}

function bodyOf(prompt: string, { model, service, endpoint, maxTokens }: TextTargetOptions): object {
  if (service === "generate") return { text_input: prompt, max_tokens: maxTokens, stream: true };
  const text = endpoint.includes("chat") ? { messages: [{ role: "user", content: prompt }] } : { prompt };
  return { model, ...text, max_tokens: maxTokens, stream: true, stream_options: { include_usage: true } };
}
