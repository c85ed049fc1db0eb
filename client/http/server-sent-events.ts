/** Server-sent events from the pieces in which they come: their data and ids. Source: WHATWG HTML, section 9.2. */
import { unreadable } from "../client-error.ts";

const EVENT_CHARACTERS_MAX = 64 * 1024 * 1024;

export interface ServerSentEvent {
  /** undefined: it has none. */
  readonly id: string | undefined;
  readonly data: string;
}

/** The `data` of each event. @throws as `numberedEvents` */
export async function* serverSentEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  for await (const { data } of numberedEvents(pieces)) yield data;
}

/** @throws ClientError INTERNAL for an event longer than 64 Mi characters */
export async function* numberedEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const text = decoder.decode(piece, { stream: true });
    rest += text;
    if (rest.length > EVENT_CHARACTERS_MAX) throw unreadable(`an event has more than ${EVENT_CHARACTERS_MAX} characters`);
    if (!text.includes("\n")) continue; // a long event is looked through once, not once a piece
    const events = rest.split(/\r?\n\r?\n/);
    rest = events.pop() ?? "";
    for (const event of events) {
      const lines = event.split(/\r?\n/);
      const data = fieldOf(lines, "data");
      if (data !== undefined) yield { id: fieldOf(lines, "id"), data };
    }
  }
}

/** undefined where no line has it: comments, and events without data. */
function fieldOf(lines: readonly string[], name: string): string | undefined {
  const having = lines.filter((line) => line.startsWith(`${name}:`));
  return having.length === 0 ? undefined : having.map((line) => line.slice(name.length + 1).replace(/^ /, "")).join("\n");
}
