/** Log probabilities in the shapes of the two endpoints. Pure. */
import type { TextToken } from "../serving/generation/text-generation.ts";

/** OpenAI writes this where the logarithm is too small to mean anything, and JSON has no -Infinity. */
const LOGPROB_MIN = -9999;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

interface ChatLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

export interface ChatTokenLogprob extends ChatLogprob {
  readonly top_logprobs: readonly ChatLogprob[];
}

/** Of text completions: parallel arrays; `text_offset` counts Unicode code points from the start of the choice's text. */
export interface CompletionLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  readonly top_logprobs: readonly Readonly<Record<string, number>>[];
  readonly text_offset: readonly number[];
}

export function chatLogprobs(tokens: readonly TextToken[]): readonly ChatTokenLogprob[] {
  return tokens.map((token) => ({ ...chatLogprob(token), top_logprobs: token.topLogprobs.map(chatLogprob) }));
}

function chatLogprob({ bytes, logprob }: { readonly bytes: Uint8Array; readonly logprob: number | undefined }): ChatLogprob {
  return { token: tokenText(bytes), logprob: finite(logprob), bytes: [...bytes] };
}

/** @param codePoints how many the choice's text had before these tokens. */
export function completionLogprobs(tokens: readonly TextToken[], codePoints: number): CompletionLogprobs {
  let before = codePoints;
  const textOffset = tokens.map(({ bytes }) => {
    const offset = isContinuation(bytes[0]) ? before - 1 : before;
    before += codePointsIn(bytes);
    return offset;
  });
  return {
    tokens: tokens.map(({ bytes }) => tokenText(bytes)),
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    top_logprobs: tokens.map(({ topLogprobs }) => topTable(topLogprobs)),
    text_offset: textOffset,
  };
}

/** How many code points begin in these bytes. */
export function codePointsIn(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (!isContinuation(byte)) count++;
  return count;
}

function topTable(top: TextToken["topLogprobs"]): Readonly<Record<string, number>> {
  return Object.fromEntries(top.map(({ bytes, logprob }) => [tokenText(bytes), finite(logprob)]));
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** A token that is part of a character is written as its bytes, as OpenAI does: `bytes:\xf0\x9f`. */
function tokenText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

function finite(logprob: number | undefined): number {
  return logprob === undefined || logprob < LOGPROB_MIN ? LOGPROB_MIN : logprob;
}
