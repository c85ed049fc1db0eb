/** Pulls a stream up to the event that decides an answer's status, so that an earlier failure can still have its own. */

export interface Pulled<T> {
  /** What was pulled; the last one decides, unless the stream ended before. */
  readonly head: readonly T[];
  /** The whole stream, `head` included. Must be iterated: leaving the loop ends the source. */
  readonly events: AsyncIterable<T>;
}

/** @throws what the source throws before the event that decides. */
export async function pullUntil<T>(source: AsyncIterable<T>, decides: (event: T) => boolean): Promise<Pulled<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const head: T[] = [];
  for (;;) {
    const pulled = await iterator.next();
    if (pulled.done === true) break;
    head.push(pulled.value);
    if (decides(pulled.value)) break;
  }
  return { head, events: replayed(head, iterator) };
}

async function* replayed<T>(head: readonly T[], iterator: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    yield* head;
    for (;;) {
      const pulled = await iterator.next();
      if (pulled.done === true) return;
      yield pulled.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Ends the source of events that are not wanted after all. */
export async function leave(events: AsyncIterable<unknown>): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  await iterator.next(); // one that has not begun has nothing to end
  await iterator.return?.();
}
