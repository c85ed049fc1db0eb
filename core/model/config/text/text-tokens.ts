/** Cuts protobuf text format into tokens that know their place, so that messages can point at a line. Pure. */

/** Counted from 1, as editors do; a column counts UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface TextToken extends Position {
  readonly kind: "word" | "string" | "mark";
  /** As written; a string without its quotes, its escapes as they are. */
  readonly text: string;
  /** Where the token begins and ends in the text. */
  readonly start: number;
  readonly end: number;
}

const TOKEN = /#[^\n]*|\s+|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|[A-Za-z0-9_.+-]+|[\s\S]/gy;

/** Never fails: what belongs to no token of the format is a mark of one character. */
export function textTokens(text: string): readonly TextToken[] {
  const tokens: TextToken[] = [];
  let line = 1;
  let lineStart = 0;
  for (const match of text.matchAll(TOKEN)) {
    const raw = match[0];
    const kind = kindOf(raw);
    if (kind !== undefined) {
      const content = kind === "string" ? raw.slice(1, raw.length > 1 && raw.at(-1) === raw[0] ? -1 : undefined) : raw;
      tokens.push({ kind, text: content, start: match.index, end: match.index + raw.length, line, column: match.index - lineStart + 1 });
    }
    for (let newline = raw.indexOf("\n"); newline !== -1; newline = raw.indexOf("\n", newline + 1)) {
      line++;
      lineStart = match.index + newline + 1;
    }
  }
  return tokens;
}

/** undefined for blanks and comments. */
function kindOf(raw: string): TextToken["kind"] | undefined {
  if (/^[#\s]/.test(raw)) return undefined;
  if (/^["']/.test(raw)) return "string";
  return /^[A-Za-z0-9_.+-]/.test(raw) ? "word" : "mark";
}
