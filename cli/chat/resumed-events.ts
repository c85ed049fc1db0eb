/**
 * The events of an answer that outlives its gateway: when the connection is gone before the answer is complete, the stream is asked for
 * again after the last event that came, from any gateway of the cluster.
 */
import { type Clock, sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import { type ServerEvent, serverEvents } from "./server-sent-events.ts";

/** As long as a node goes on without a reader. */
const AWAY_MS_MAX = 30_000;
const ASK_AGAIN_MS = 200;
/** Asks a gateway for a stream that can be resumed. */
export const RESUMABLE = { "x-nereid-resumable": "true" };

export interface ResumedEventsOptions {
  /** How the answer begins. */
  readonly first: Response;
  /** A gateway, `http://HOST:PORT`, to come back to. */
  readonly url: () => string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** What every request carries, such as a key. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The data of each event up to `[DONE]`, which is the last one. @throws the error of the connection when the answer cannot be resumed */
export async function* resumedEvents(options: ResumedEventsOptions): AsyncGenerator<string> {
  const generation = options.first.headers.get("x-nereid-generation");
  let lastId: string | undefined;
  let answer = options.first;
  for (;;) {
    let failure: unknown;
    try {
      for await (const { id, data } of eventsOf(answer)) {
        lastId = id ?? lastId;
        yield data;
        if (data === "[DONE]") return;
      }
      failure = new ServingError("UNAVAILABLE", "the server ended the answer before it was complete: ask again");
    } catch (thrown) {
      failure = thrown;
    }
    options.signal.throwIfAborted();
    if (generation === null) throw failure;
    answer = await resumed(generation, lastId, failure, options);
  }
}

/** @throws `failure` when no gateway is there in time; ServingError with the server's message when it does not have the stream any more */
async function resumed(
  generation: string,
  lastId: string | undefined,
  failure: unknown,
  { url, clock, signal, headers }: ResumedEventsOptions,
): Promise<Response> {
  const untilMs = clock.now() + AWAY_MS_MAX;
  for (;;) {
    const sent = { ...headers, ...(lastId !== undefined && { "last-event-id": lastId }) };
    const answer = await fetch(`${url()}/v1/streams/${generation}`, { headers: sent, signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (answer?.ok === true) return answer;
    const said = answer === undefined ? "" : await answer.text();
    const isGone = answer !== undefined && answer.status !== 503;
    if (isGone) throw new ServingError("UNAVAILABLE", `the answer cannot be resumed: ${said}`, { cause: failure });
    if (clock.now() >= untilMs) throw failure;
    await sleep(clock, ASK_AGAIN_MS, signal);
  }
}

async function* eventsOf({ body }: Response): AsyncGenerator<ServerEvent> {
  if (body === null) throw new ServingError("UNAVAILABLE", "the server answered without a body");
  yield* serverEvents(body);
}
