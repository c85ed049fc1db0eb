/** Writes server-sent events: no faster than the client reads, with a comment now and then while nothing flows. */
import type { ServerResponse } from "node:http";
import type { EventAnswer } from "./route.ts";
import type { Sweep, Swept } from "./sweep.ts";

export interface EventStreamLimits {
  /** A comment frame is sent after so long a silence: proxies cut idle connections. */
  readonly keepAliveMs: number;
  /** A client that reads nothing for so long is cut. */
  readonly unreadMsMax: number;
}

const EVENT_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

class EventStream implements Swept {
  readonly #response: ServerResponse;
  readonly #limits: EventStreamLimits;
  readonly #sweep: Sweep;
  #wroteAtMs: number;
  #pausedAtMs: number | undefined;

  constructor(response: ServerResponse, limits: EventStreamLimits, sweep: Sweep) {
    this.#response = response;
    this.#limits = limits;
    this.#sweep = sweep;
    this.#wroteAtMs = sweep.nowMs();
  }

  /** Frames of one tick leave in one write: Node corks the socket for it. @returns a promise when the client has to catch up first. */
  write(frame: string): Promise<void> | undefined {
    this.#wroteAtMs = this.#sweep.nowMs();
    return this.#response.write(frame) ? undefined : this.#drained();
  }

  sweep(nowMs: number): void {
    if (this.#pausedAtMs !== undefined) {
      if (nowMs - this.#pausedAtMs > this.#limits.unreadMsMax) this.#response.destroy();
    } else if (nowMs - this.#wroteAtMs >= this.#limits.keepAliveMs) {
      this.#wroteAtMs = nowMs;
      this.#response.write(": keep-alive\n\n");
    }
  }

  /** Resolves too when the connection closes: the writer finds out by itself. */
  #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pausedAtMs = this.#sweep.nowMs();
    const goOn = () => {
      this.#pausedAtMs = undefined;
      this.#response.off("drain", goOn);
      this.#response.off("close", goOn);
      resolve();
    };
    this.#response.once("drain", goOn);
    this.#response.once("close", goOn);
    return promise;
  }
}

/**
 * Sends the head at once, then every frame. The frames are begun even when the connection is gone already. Leaves the loop over the frames, and so runs their `finally`, as soon as the
 * connection is gone. A stream that throws is cut, so that the client does not take it for complete.
 */
export async function writeEvents(response: ServerResponse, answer: EventAnswer, limits: EventStreamLimits, sweep: Sweep): Promise<void> {
  if (!response.destroyed) {
    response.writeHead(200, { ...EVENT_HEADERS, ...answer.headers });
    response.flushHeaders();
  }
  const stream = new EventStream(response, limits, sweep);
  sweep.add(stream);
  try {
    for await (const frame of answer.frames) {
      if (response.destroyed) return;
      const caughtUp = stream.write(frame);
      if (caughtUp !== undefined) await caughtUp;
    }
    response.end();
  } catch (thrown) {
    response.destroy();
    throw thrown;
  } finally {
    sweep.delete(stream);
  }
}
