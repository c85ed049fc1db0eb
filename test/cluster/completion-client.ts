/** Asks a running server for completions, whole and streamed, and keeps what a client would see. */
import { RESUMABLE, resumedEvents } from "../../cli/chat/resumed-events.ts";
import { eventData } from "../../cli/chat/server-sent-events.ts";
import { systemClock } from "../../core/clock.ts";
import { MODEL } from "../support/cluster.ts";

/** Fields of POST /v1/completions but the model. */
export interface CompletionFields {
  readonly prompt: string | readonly number[];
  readonly max_tokens: number;
  readonly temperature?: number;
  readonly [name: string]: unknown;
}

export interface Completion {
  readonly text: string;
  readonly finishReason: string;
}

export interface StreamedAnswer {
  readonly text: string;
  /** undefined when the stream ended before it was told. */
  readonly finishReason: string | undefined;
  /** The message of an error frame. */
  readonly error: string | undefined;
  /** `[DONE]` was the last frame. */
  readonly done: boolean;
}

export interface StreamOptions {
  /** Called when a piece of text has come, with how many there were until now. */
  readonly onPiece?: (pieces: number) => void;
  /** Aborting it hangs up. */
  readonly signal?: AbortSignal;
  /** Asks for a stream that can be resumed, and comes back to this gateway when it breaks off. */
  readonly resumeAt?: string | (() => string);
}

const never = new AbortController().signal;

/** Keeps a greedy continuation from ending before `max_tokens`: SmolLM2's end tokens become impossible. */
export const WITHOUT_END = { temperature: 0, logit_bias: { 0: -100, 2: -100 } } as const;

export interface PostOptions {
  readonly signal?: AbortSignal | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export function post(url: string, path: string, body: unknown, { signal, headers = {} }: PostOptions = {}): Promise<Response> {
  return fetch(url + path, { method: "POST", headers, body: JSON.stringify(body), ...(signal !== undefined && { signal }) });
}

interface Choice {
  readonly text: string;
  readonly finish_reason: string | null;
}

/** @throws Error with the answer when it is none with choices */
export async function complete(url: string, fields: CompletionFields): Promise<Completion> {
  const response = await post(url, "/v1/completions", { model: MODEL, ...fields });
  const answer: { readonly choices?: readonly Choice[] } = JSON.parse(await response.text());
  const choice = answer.choices?.[0];
  if (choice === undefined) throw new Error(JSON.stringify(answer));
  return { text: choice.text, finishReason: choice.finish_reason ?? "" };
}

interface Frame {
  readonly choices?: readonly Choice[];
  readonly error?: { readonly message: string };
}

/** @throws what fetch does when it is refused or hung up */
export async function streamCompletion(url: string, fields: CompletionFields, options: StreamOptions = {}): Promise<StreamedAnswer> {
  const { signal, resumeAt } = options;
  const headers = resumeAt === undefined ? {} : RESUMABLE;
  const response = await post(url, "/v1/completions", { model: MODEL, stream: true, ...fields }, { signal, headers });
  if (response.status !== 200 || response.body === null) throw new Error(`${response.status} ${await response.text()}`);
  let [text, pieces, done] = ["", 0, false];
  let finishReason: string | undefined;
  let error: string | undefined;
  const back = {
    first: response,
    url: typeof resumeAt === "function" ? resumeAt : () => resumeAt ?? url,
    clock: systemClock,
    signal: signal ?? never,
  };
  for await (const data of resumeAt === undefined ? eventData(response.body) : resumedEvents(back)) {
    done = data === "[DONE]";
    const frame: Frame = done ? {} : JSON.parse(data);
    const choice = frame.choices?.[0];
    error = frame.error?.message ?? error;
    finishReason = choice?.finish_reason ?? finishReason;
    if (choice === undefined || choice.text === "") continue;
    text += choice.text;
    pieces += 1;
    options.onPiece?.(pieces);
  }
  return { text, finishReason, error, done };
}
