/** Reads server-sent events from a stream of bytes. Source: WHATWG HTML, section 9.2.6 (interpreting an event stream). */
import { ServingError } from "../../core/errors.ts";

const EVENT_CHARACTERS_MAX = 1024 * 1024;

export interface ServerEvent {
  /** undefined: it has none of its own. */
  readonly id: string | undefined;
  readonly data: string;
}

/** The `data` of each event. @throws as `serverEvents` */
export async function* eventData(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  for await (const { data } of serverEvents(bytes)) yield data;
}

/** Events with data. @throws ServingError RESOURCE_EXHAUSTED when one event passes 1 Mi characters */
export async function* serverEvents(bytes: AsyncIterable<Uint8Array>): AsyncIterable<ServerEvent> {
  const decoder = new TextDecoder();
  let text = "";
  let data: string[] = [];
  let id: string | undefined;
  for await (const chunk of bytes) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > EVENT_CHARACTERS_MAX) throw new ServingError("RESOURCE_EXHAUSTED", "the server sent an event above 1 MiB");
    // A carriage return at the very end may be half of a line end.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(fieldValue(line, "data"));
      if (line.startsWith("id:")) id = fieldValue(line, "id");
      if (line !== "" || data.length === 0) continue;
      yield { id, data: data.join("\n") };
      data = [];
      id = undefined;
    }
  }
}

/** What follows the field's name, a colon and perhaps a space. */
function fieldValue(line: string, field: string): string {
  const value = line.slice(field.length + 1);
  return value.startsWith(" ") ? value.slice(1) : value;
}
