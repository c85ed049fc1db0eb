/** What one API key has left at this gateway: requests and tokens of a minute, tokens of a day, requests at once. Pure. */
import { ServingError } from "../../core/errors.ts";
import type { KeyLimits } from "./key-limits.ts";
import { type Bucket, corrected, fullBucket, refilled, waitMs } from "./token-bucket.ts";

export const DAY_MS = 86_400_000;
/** A guess: requests end when they end. */
const CONCURRENT_RETRY_MS = 1_000;
const UNLIMITED = Number.POSITIVE_INFINITY;

/** Monotonic milliseconds, and Unix time for days. */
export interface Now {
  readonly nowMs: number;
  readonly wallMs: number;
}

export interface Spent {
  readonly requests: number;
  readonly tokens: number;
}

export class Budget {
  readonly limits: KeyLimits;
  readonly #key: string;
  #requests: Bucket;
  #tokens: Bucket;
  #running = 0;
  #day: number;
  #tokensToday = 0;
  /** Of this gateway, since it was taken last. */
  #untold: { requests: number; tokens: number } = { requests: 0, tokens: 0 };
  #usedAtMs: number;

  /** @param key its id, for messages */
  constructor(key: string, limits: KeyLimits, { nowMs, wallMs }: Now) {
    this.#key = key;
    this.limits = limits;
    this.#requests = fullBucket(limits.requestsPerMinute ?? UNLIMITED, nowMs);
    this.#tokens = fullBucket(limits.tokensPerMinute ?? UNLIMITED, nowMs);
    this.#day = Math.floor(wallMs / DAY_MS);
    this.#usedAtMs = nowMs;
  }

  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  get idle(): boolean {
    return this.#running === 0;
  }

  /** Whether a request of these tokens may begin; nothing is taken. @throws ServingError RESOURCE_EXHAUSTED saying when to come back */
  check(tokens: number, now: Now): void {
    this.#refill(now);
    const { requestsPerMinute, tokensPerMinute, tokensPerDay, concurrent } = this.limits;
    if (concurrent !== undefined && this.#running >= concurrent)
      throw this.#refusal(`${concurrent} requests at once`, "rate_limit_exceeded", CONCURRENT_RETRY_MS);
    if (requestsPerMinute !== undefined) {
      const ms = waitMs(this.#requests, requestsPerMinute, 1);
      if (ms > 0) throw this.#refusal(`${requestsPerMinute} requests a minute`, "rate_limit_exceeded", ms);
    }
    if (tokensPerMinute !== undefined) {
      const ms = waitMs(this.#tokens, tokensPerMinute, tokens);
      if (ms > 0) throw this.#refusal(`${tokensPerMinute} tokens a minute`, "rate_limit_exceeded", ms);
    }
    if (tokensPerDay !== undefined && this.#tokensToday + Math.min(tokens, tokensPerDay) > tokensPerDay)
      throw this.#refusal(`${tokensPerDay} tokens a day`, "insufficient_quota", DAY_MS - (now.wallMs % DAY_MS));
  }

  /** A request begins; `end` is called once for it. @throws ServingError as `check` */
  begin(tokens: number, now: Now): void {
    this.check(tokens, now);
    this.#running++;
    this.#spend(1, tokens);
    this.#usedAtMs = now.nowMs;
  }

  /** A request is over. @param tokens used beyond those that it began with; below 0: unused */
  end(tokens: number, now: Now): void {
    this.#running--;
    this.#refill(now);
    this.#spend(0, tokens);
    this.#usedAtMs = now.nowMs;
  }

  /** What was used here since the last call: others are told. */
  takeUntold(): Spent {
    const untold = this.#untold;
    this.#untold = { requests: 0, tokens: 0 };
    return untold;
  }

  /** Others could not be told. */
  putBack({ requests, tokens }: Spent): void {
    this.#untold.requests += requests;
    this.#untold.tokens += tokens;
  }

  /** @param others what other gateways have used since the last call @param today what all have used today */
  hear(others: Spent, today: Spent, now: Now): void {
    this.#refill(now);
    this.#requests = corrected(this.#requests, this.limits.requestsPerMinute ?? UNLIMITED, others.requests);
    this.#tokens = corrected(this.#tokens, this.limits.tokensPerMinute ?? UNLIMITED, others.tokens);
    this.#tokensToday = Math.max(this.#tokensToday, today.tokens + this.#untold.tokens);
  }

  /** OpenAI's headers: only of what is limited. */
  headers(now: Now): Readonly<Record<string, string>> {
    this.#refill(now);
    const { requestsPerMinute, tokensPerMinute } = this.limits;
    return {
      ...(requestsPerMinute !== undefined && bucketHeaders("requests", this.#requests, requestsPerMinute)),
      ...(tokensPerMinute !== undefined && bucketHeaders("tokens", this.#tokens, tokensPerMinute)),
    };
  }

  #spend(requests: number, tokens: number): void {
    const { requestsPerMinute = UNLIMITED, tokensPerMinute = UNLIMITED } = this.limits;
    const taken = (bucket: Bucket, most: number, used: number) => ({ ...bucket, level: Math.min(most, bucket.level - used) });
    this.#requests = taken(this.#requests, requestsPerMinute, requests);
    this.#tokens = taken(this.#tokens, tokensPerMinute, tokens);
    this.#tokensToday = Math.max(0, this.#tokensToday + tokens);
    this.putBack({ requests, tokens });
  }

  #refill({ nowMs, wallMs }: Now): void {
    const { requestsPerMinute, tokensPerMinute } = this.limits;
    if (requestsPerMinute !== undefined) this.#requests = refilled(this.#requests, requestsPerMinute, nowMs);
    if (tokensPerMinute !== undefined) this.#tokens = refilled(this.#tokens, tokensPerMinute, nowMs);
    const day = Math.floor(wallMs / DAY_MS);
    if (day === this.#day) return;
    this.#day = day;
    this.#tokensToday = 0;
  }

  #refusal(limit: string, reason: string, retryAfterMs: number): ServingError {
    const message = `the API key ${this.#key} is limited to ${limit}: try again in ${durationText(retryAfterMs)}`;
    return new ServingError("RESOURCE_EXHAUSTED", message, { reason, retryAfterMs: Math.ceil(retryAfterMs) });
  }
}

function bucketHeaders(what: string, bucket: Bucket, perMinute: number): Readonly<Record<string, string>> {
  return {
    [`x-ratelimit-limit-${what}`]: String(perMinute),
    [`x-ratelimit-remaining-${what}`]: String(Math.max(0, Math.floor(bucket.level))),
    [`x-ratelimit-reset-${what}`]: durationText(waitMs(bucket, perMinute, perMinute)),
  };
}

/** As OpenAI writes times: `12ms`, `1.5s`, `6m0s`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 100) / 10;
  if (seconds < 60) return `${seconds}s`;
  const whole = Math.ceil(ms / 1_000);
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor((whole % 3_600) / 60)];
  return `${hours > 0 ? `${hours}h` : ""}${minutes}m${whole % 60}s`;
}
