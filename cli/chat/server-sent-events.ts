/** Reads server-sent events from a stream of bytes. Source: WHATWG HTML, section 9.2.6 (interpreting an event stream). */
import { ServingError } from "../../core/errors.ts";

const EVENT_CHARACTERS_MAX = 1024 * 1024;

/** The `data` of each event. @throws ServingError RESOURCE_EXHAUSTED when one event passes 1 Mi characters */
export async function* eventData(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let text = "";
  let data: string[] = [];
  for await (const chunk of bytes) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > EVENT_CHARACTERS_MAX) throw new ServingError("RESOURCE_EXHAUSTED", "the server sent an event above 1 MiB");
    // A carriage return at the very end may be half of a line end.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      if (line !== "" || data.length === 0) continue;
      yield data.join("\n");
      data = [];
    }
  }
}
