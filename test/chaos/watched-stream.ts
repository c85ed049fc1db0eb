/** A streamed completion as its client sees it: every token with its log probability, and when it came. */
import { RESUMABLE, resumedEvents } from "../../cli/chat/resumed-events.ts";
import { eventData } from "../../cli/chat/server-sent-events.ts";
import type { Clock } from "../../core/clock.ts";
import { type CompletionFields, post } from "../cluster/completion-client.ts";

const never = new AbortController().signal;

export interface WatchedAnswer {
  /** `token logprob` each: equal ones were computed from equal bits, or as good as. */
  readonly tokens: readonly string[];
  readonly text: string;
  readonly atMs: readonly number[];
  readonly finishReason: string | undefined;
  readonly error: string | undefined;
}

interface Frame {
  readonly choices?: readonly {
    readonly text: string;
    readonly finish_reason: string | null;
    readonly logprobs: { readonly tokens: readonly string[]; readonly token_logprobs: readonly number[] } | null;
  }[];
  readonly error?: { readonly message: string };
}

export interface WatchedServer {
  readonly url: string;
  readonly model: string;
  readonly clock: Clock;
  /** Where streams go on when their gateway dies; undefined: they do not ask for it. */
  readonly resumeAt?: (() => string) | undefined;
}

/** @param onToken called with how many there are */
export async function watchedStream(
  { url, model, clock, resumeAt }: WatchedServer,
  fields: CompletionFields,
  onToken: (count: number) => void = () => {},
): Promise<WatchedAnswer> {
  const headers = resumeAt === undefined ? {} : RESUMABLE;
  const response = await post(url, "/v1/completions", { model, stream: true, logprobs: 1, ...fields }, { headers });
  if (response.status !== 200 || response.body === null)
    return { tokens: [], text: "", atMs: [], finishReason: undefined, error: `${response.status} ${await response.text()}` };
  const tokens: string[] = [];
  const atMs: number[] = [];
  let text = "";
  let finishReason: string | undefined;
  let error: string | undefined;
  const hear = (data: string) => {
    const frame: Frame = data === "[DONE]" ? {} : JSON.parse(data);
    error = frame.error?.message ?? error;
    for (const { text: piece, finish_reason: reason, logprobs } of frame.choices ?? []) {
      text += piece;
      finishReason = reason ?? finishReason;
      for (const [index, token] of (logprobs?.tokens ?? []).entries()) {
        tokens.push(`${token} ${logprobs?.token_logprobs[index]}`);
        atMs.push(clock.now());
        onToken(tokens.length);
      }
    }
  };
  try {
    const back = { first: response, url: resumeAt ?? (() => url), clock, signal: never };
    for await (const data of resumeAt === undefined ? eventData(response.body) : resumedEvents(back)) hear(data);
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  return { tokens, text, atMs, finishReason, error };
}

/** Tokens that are not as in the answer without faults: missing ones, more ones, other ones. */
export function difference(wanted: WatchedAnswer, seen: WatchedAnswer) {
  const common = Math.min(wanted.tokens.length, seen.tokens.length);
  let other = 0;
  for (let index = 0; index < common; index++) if (wanted.tokens[index] !== seen.tokens[index]) other += 1;
  return { lost: wanted.tokens.length - common, more: seen.tokens.length - common, other, failed: seen.error === undefined ? 0 : 1 };
}

/** The longest silence between two tokens. */
export function longestGapMs({ atMs }: WatchedAnswer): number {
  return atMs.slice(1).reduce((longest, ms, index) => Math.max(longest, ms - (atMs[index] ?? ms)), 0);
}
