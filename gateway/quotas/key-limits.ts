/** What an API key may use: the fifth part of its line, such as `requests/min=600,tokens/min=100000,tokens/day=5000000,concurrent=8`. Pure. */

export interface KeyLimits {
  readonly requestsPerMinute: number | undefined;
  /** Of prompts and answers together; of tensors a token is four bytes. */
  readonly tokensPerMinute: number | undefined;
  /** From midnight to midnight, UTC. */
  readonly tokensPerDay: number | undefined;
  /** Requests that run at once, at each gateway. */
  readonly concurrent: number | undefined;
}

export const NO_LIMITS: KeyLimits = {
  requestsPerMinute: undefined,
  tokensPerMinute: undefined,
  tokensPerDay: undefined,
  concurrent: undefined,
};

const NAMES: Readonly<Record<string, keyof KeyLimits>> = {
  "requests/min": "requestsPerMinute",
  "tokens/min": "tokensPerMinute",
  "tokens/day": "tokensPerDay",
  concurrent: "concurrent",
};

/** @returns undefined when the text is no list of limits, each at most once and a whole number from 1 */
export function parseKeyLimits(text: string): KeyLimits | undefined {
  const limits: { -readonly [Name in keyof KeyLimits]: KeyLimits[Name] } = { ...NO_LIMITS };
  for (const part of text.split(",")) {
    const [, said = "", number = ""] = /^([a-z/]+)=([1-9]\d{0,14})$/.exec(part) ?? [];
    const name = Object.hasOwn(NAMES, said) ? NAMES[said] : undefined;
    if (name === undefined || limits[name] !== undefined) return undefined;
    limits[name] = Number(number);
  }
  return limits;
}

/** What a key's line leaves open is as the server's flags have it. */
export function limitsOr(limits: KeyLimits, others: KeyLimits): KeyLimits {
  return {
    requestsPerMinute: limits.requestsPerMinute ?? others.requestsPerMinute,
    tokensPerMinute: limits.tokensPerMinute ?? others.tokensPerMinute,
    tokensPerDay: limits.tokensPerDay ?? others.tokensPerDay,
    concurrent: limits.concurrent ?? others.concurrent,
  };
}
