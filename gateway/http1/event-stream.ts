/** Writes server-sent events: no faster than the client reads, with a comment now and then while nothing flows. */
import type { EventAnswer } from "../http/route.ts";
import type { Sweep, Swept } from "../sockets/sweep.ts";

/** Where frames go. */
export interface EventSink {
  readonly isGone: boolean;
  /** @returns whether more may be written before `onceReady` calls */
  write(frame: string): boolean;
  /** Calls when more may be written, or the client is gone. */
  onceReady(act: () => void): void;
  end(): void;
  cut(): void;
}

export interface EventStreamOptions {
  /** A comment frame is sent after so long a silence: proxies cut idle connections. */
  readonly keepAliveMs: number;
  readonly sweep: Sweep;
}

export const EVENT_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

class EventStream implements Swept {
  readonly #sink: EventSink;
  readonly #options: EventStreamOptions;
  #wroteAtMs: number;
  #isPaused = false;

  constructor(sink: EventSink, options: EventStreamOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#wroteAtMs = options.sweep.nowMs();
  }

  /** @returns a promise when the client has to catch up first */
  write(frame: string): Promise<void> | undefined {
    this.#wroteAtMs = this.#options.sweep.nowMs();
    return this.#sink.write(frame) ? undefined : this.#ready();
  }

  sweep(nowMs: number): void {
    if (this.#isPaused || nowMs - this.#wroteAtMs < this.#options.keepAliveMs) return;
    this.#wroteAtMs = nowMs;
    this.#sink.write(": keep-alive\n\n");
  }

  #ready(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isPaused = true;
    this.#sink.onceReady(() => {
      this.#isPaused = false;
      resolve();
    });
    return promise;
  }
}

/**
 * Sends every frame. They are begun even when the connection is gone already. Leaves the loop over the frames, and so runs their `finally`, as soon as the
 * connection is gone. A stream that throws is cut, so that the client does not take it for complete.
 */
export async function writeEvents(sink: EventSink, frames: EventAnswer["frames"], options: EventStreamOptions): Promise<void> {
  const stream = new EventStream(sink, options);
  options.sweep.add(stream);
  try {
    for await (const frame of frames) {
      if (sink.isGone) return;
      const caughtUp = stream.write(frame);
      if (caughtUp !== undefined) await caughtUp;
    }
    sink.end();
  } catch (thrown) {
    sink.cut();
    throw thrown;
  } finally {
    options.sweep.delete(stream);
  }
}
