/** A client of OpenAI's streaming chat endpoint that notes when things come, and does little else: it shares the cores with the server. */
import { Agent, type IncomingMessage, request } from "node:http";
import { deadlineSignal, linkedSignal } from "../../core/abort.ts";
import { systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";

export interface ChatCall {
  readonly prompt: string;
  readonly tokensMax: number;
}

/** What one chat took; times as of `performance.now()`. */
export interface ChatTimes {
  readonly sentMs: number;
  /** When the first piece of text came. */
  readonly firstMs: number;
  readonly endMs: number;
  /** As the server counts them. */
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface ChatClient extends Disposable {
  /** Greedy. @throws ServingError with what the server answered; the signal's reason. */
  chat(call: ChatCall, signal: AbortSignal): Promise<ChatTimes>;
  /** All at once; when one fails, the others are given up before that is thrown. */
  chats(calls: readonly ChatCall[], signal: AbortSignal): Promise<readonly ChatTimes[]>;
}

const LIMIT_MS = 180_000;
const BODY_CHARACTERS_MAX = 2_000;

/** @param url `http://HOST:PORT` */
export function chatClient(url: string, model: string): ChatClient {
  const agent = new Agent({ keepAlive: false }); // llama-server closes connections now and then, also beneath a new request
  const chat = (call: ChatCall, signal: AbortSignal) => runChat(new URL("/v1/chat/completions", url), { agent, model, call }, signal);
  return {
    chat,
    async chats(calls, signal) {
      using run = linkedSignal(signal);
      const running = calls.map((call) => chat(call, run.signal));
      try {
        return await Promise.all(running);
      } catch (thrown) {
        run.abort(thrown);
        await Promise.allSettled(running);
        throw thrown;
      }
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

interface ChatOptions {
  readonly agent: Agent;
  readonly model: string;
  readonly call: ChatCall;
}

async function runChat(url: URL, { agent, model, call }: ChatOptions, signal: AbortSignal): Promise<ChatTimes> {
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: call.prompt }],
    max_tokens: call.tokensMax,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  using limit = deadlineSignal(systemClock, LIMIT_MS, signal);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sentMs = performance.now();
  request(url, { method: "POST", agent, headers, signal: limit.signal }, resolve).on("error", reject).end(body);
  try {
    const response = await promise;
    const text = await read(response);
    return { sentMs, ...text, ...usageOf(text.lines, url) };
  } catch (thrown) {
    throw limit.signal.aborted ? limit.signal.reason : thrown;
  }
}

interface ReadText {
  readonly firstMs: number;
  readonly endMs: number;
  /** Without those that carry text only. */
  readonly lines: readonly string[];
}

async function read(response: IncomingMessage): Promise<ReadText> {
  let firstMs = Number.NaN;
  let rest = "";
  const lines: string[] = [];
  for await (const chunk of response.setEncoding("utf8")) {
    const pieces = (rest + chunk).split("\n");
    rest = pieces.pop() ?? "";
    for (const line of pieces) {
      if (Number.isNaN(firstMs) && hasText(line)) firstMs = performance.now();
      if (line !== "" && (!line.startsWith("data:") || line.includes('"usage":{'))) lines.push(line);
    }
  }
  if (response.statusCode !== 200)
    throw new ServingError(
      "INTERNAL",
      `the server answered ${response.statusCode}: ${[...lines, rest].join("\n").slice(0, BODY_CHARACTERS_MAX)}`,
    );
  return { firstMs, endMs: performance.now(), lines };
}

/** Only asked until the first text has come. */
function hasText(line: string): boolean {
  if (!line.startsWith("data: {")) return false;
  const { choices }: { readonly choices?: readonly { readonly delta?: { readonly content?: unknown } }[] } = JSON.parse(line.slice(6));
  const content = choices?.[0]?.delta?.content;
  return typeof content === "string" && content !== "";
}

function usageOf(lines: readonly string[], url: URL): Pick<ChatTimes, "promptTokens" | "completionTokens"> {
  const line = lines.findLast((text) => text.startsWith("data:"));
  if (line === undefined) throw new ServingError("INTERNAL", `${url.host} ended a stream without its usage`);
  const { usage }: { readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } } = JSON.parse(line.slice(5));
  return { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens };
}
