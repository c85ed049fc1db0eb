/** Where the fields of a config.pbtxt stand, so that a problem found later can name its line. Pure. */
import type { ConfigPath } from "./problem.ts";
import { type Position, type TextToken, textTokens } from "./text-tokens.ts";

/** A value, or the whole text. */
interface Place {
  readonly at: Position;
  /** A scalar's text. */
  readonly text: string | undefined;
  /** By field; repeated ones in order. */
  readonly fields: Map<string, Place[]>;
}

export class TextPositions {
  readonly #root: Place;

  /** Reads what it can of a text that is not well-formed. */
  constructor(text: string) {
    this.#root = { at: { line: 1, column: 1 }, text: undefined, fields: new Map() };
    readFields(new TokenCursor(textTokens(text)), this.#root, undefined);
  }

  /** The field, or what is nearest around it. */
  positionOf(path: ConfigPath): Position {
    let place = this.#root;
    for (let depth = 0; depth < path.length; depth++) {
      const places = place.fields.get(String(path[depth]));
      if (places === undefined) break;
      const next = path[depth + 1];
      const index = typeof next === "number" ? next : places.findIndex(({ fields }) => fields.get("key")?.[0]?.text === next);
      const isElement = typeof next === "number" || index !== -1;
      const found = places[isElement ? index : 0];
      if (found === undefined) break;
      if (isElement) depth++;
      place = isElement && typeof next === "string" ? (found.fields.get("value")?.[0] ?? found) : found;
    }
    return place.at;
  }
}

class TokenCursor {
  readonly #tokens: readonly TextToken[];
  #next = 0;

  constructor(tokens: readonly TextToken[]) {
    this.#tokens = tokens;
  }

  peek(): TextToken | undefined {
    return this.#tokens[this.#next];
  }

  take(): TextToken | undefined {
    return this.#tokens[this.#next++];
  }

  takeMark(...marks: readonly string[]): TextToken | undefined {
    const token = this.peek();
    return token?.kind === "mark" && marks.includes(token.text) ? this.take() : undefined;
  }
}

const CLOSING: Readonly<Record<string, string>> = { "{": "}", "<": ">" };

function readFields(cursor: TokenCursor, parent: Place, closing: string | undefined): void {
  for (let name = cursor.take(); name !== undefined; name = cursor.take()) {
    if (name.kind === "mark" && name.text === closing) return;
    if (name.kind !== "word") continue;
    const places = parent.fields.get(name.text) ?? [];
    parent.fields.set(name.text, places);
    cursor.takeMark(":");
    if (cursor.takeMark("[") === undefined) {
      places.push(readValue(cursor, name));
      continue;
    }
    while (cursor.peek() !== undefined && cursor.takeMark("]") === undefined) {
      if (cursor.takeMark(",") !== undefined) continue;
      places.push(readValue(cursor, undefined));
    }
  }
}

/** @param name the field's own name, which is where the value is said to be; elements of a list are where they stand */
function readValue(cursor: TokenCursor, name: TextToken | undefined): Place {
  const first = cursor.take();
  const { line, column } = name ?? first ?? { line: 1, column: 1 };
  const isMessage = first?.kind === "mark" && CLOSING[first.text] !== undefined;
  const place: Place = { at: { line, column }, text: isMessage ? undefined : first?.text, fields: new Map() };
  if (isMessage) readFields(cursor, place, CLOSING[first.text]);
  return place;
}
