/** Server-sent events from the pieces in which they come: the `data` of each. Source: WHATWG HTML, section 9.2. */
import { unreadable } from "../client-error.ts";

const EVENT_CHARACTERS_MAX = 64 * 1024 * 1024;

/** @throws ClientError INTERNAL for an event longer than 64 Mi characters */
export async function* serverSentEvents(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
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
      const data = dataOf(event);
      if (data !== undefined) yield data;
    }
  }
}

/** undefined for comments, and events without data. */
function dataOf(event: string): string | undefined {
  const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
}
