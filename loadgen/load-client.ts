/** One of a load's clients: at most one request at a time, timed from when it was meant to be sent. */
import type { Clock } from "../core/clock.ts";
import type { Call, Channel } from "./channel.ts";
import type { Meter } from "./meter.ts";

export interface LoadClientOptions {
  /** Its place among the load's clients. */
  readonly number: number;
  readonly channel: Channel;
  readonly meter: Meter;
  readonly clock: Clock;
  /** It is free for the next request. */
  readonly free: (client: LoadClient) => void;
}

export class LoadClient implements Call {
  readonly number: number;
  readonly #channel: Channel;
  readonly #meter: Meter;
  readonly #clock: Clock;
  readonly #free: (client: LoadClient) => void;
  #intendedMs = 0;
  #sentMs = 0;
  #tokens = 0;
  #parts: number[] = [];
  /** Whether the last request did. */
  failed = false;

  constructor({ number, channel, meter, clock, free }: LoadClientOptions) {
    this.number = number;
    this.#channel = channel;
    this.#meter = meter;
    this.#clock = clock;
    this.#free = free;
  }

  /** @param intendedMs when the request was due; undefined: now */
  send(request: number, intendedMs: number | undefined): void {
    this.#sentMs = this.#clock.now();
    this.#intendedMs = intendedMs ?? this.#sentMs;
    this.#tokens = 0;
    if (this.#parts.length > 0) this.#parts = [];
    this.#channel.send(request, this);
  }

  part(tokens: number): void {
    this.#tokens += tokens;
    this.#parts.push(this.#clock.now());
  }

  ended(failure: string | undefined): void {
    this.failed = failure !== undefined;
    if (failure !== undefined) this.#meter.failed(failure);
    else {
      const nowMs = this.#clock.now();
      this.#meter.answered(nowMs - this.#intendedMs, this.#sentMs - this.#intendedMs);
      const [first, last] = [this.#parts[0], this.#parts.at(-1)];
      this.#meter.record(this.#sentMs, first === undefined ? [nowMs] : this.#parts);
      if (first !== undefined && last !== undefined) {
        const interTokenMs = this.#tokens > 1 ? (last - first) / (this.#tokens - 1) : undefined;
        this.#meter.text({ firstTokenMs: first - this.#intendedMs, interTokenMs, tokens: this.#tokens });
      }
    }
    this.#free(this);
  }
}
