/** Where the fields of a config.pbtxt stand, so that a problem found later can name its line. Pure. */
import type { ConfigPath } from "../problems/problem.ts";
import { type Position, type TextToken, textTokens } from "./text-tokens.ts";

/** A value, or the whole text. */
interface Place {
  readonly at: Position;
  /** A scalar's text. */
  readonly text: string | undefined;
  readonly fields: Map<string, Field>;
}

/** Where a field is named first, and its values in order. */
interface Field {
  readonly at: Position;
  readonly values: Place[];
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
    let { at } = place;
    for (let depth = 0; depth < path.length; depth++) {
      const field = place.fields.get(String(path[depth]));
      if (field === undefined) break;
      const element = elementOf(field, path[depth + 1]);
      if (element !== undefined) depth++;
      const value = element ?? field.values[0];
      at = element?.at ?? field.at;
      if (value === undefined) break;
      place = value;
    }
    return at;
  }
}

/** The element of a repeated field by index, the value of a map's entry by key. */
function elementOf({ values }: Field, key: string | number | undefined): Place | undefined {
  if (typeof key === "number") return values[key];
  const entry = values.find(({ fields }) => key !== undefined && fields.get("key")?.values[0]?.text === key);
  return entry?.fields.get("value")?.values[0] ?? entry;
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
    const { line, column } = name;
    const { values, at } = parent.fields.get(name.text) ?? { values: [], at: { line, column } };
    parent.fields.set(name.text, { values, at });
    cursor.takeMark(":");
    if (cursor.takeMark("[") === undefined) {
      values.push(readValue(cursor, name));
      continue;
    }
    while (cursor.peek() !== undefined && cursor.takeMark("]") === undefined) {
      if (cursor.takeMark(",") !== undefined) continue;
      values.push(readValue(cursor, undefined));
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
