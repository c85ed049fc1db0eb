/** The head of an HTTP/1.1 request, read strictly (RFC 9112): what could be read in two ways is refused, so that no proxy reads it otherwise. Pure. */
import { FieldList } from "./field-list.ts";

/** Of the request line and all fields. */
export const HEAD_BYTES_MAX = 16 * 1024;

/** Why bytes are no request: `byteFaultAnswer` has the words. */
export type HeadFault = "no-http" | "head-too-large";

export interface RequestHead {
  /** With the empty line at its end. */
  readonly byteLength: number;
  readonly method: string;
  /** Path and query as the client wrote them; without the origin that clients of proxies put before them. */
  readonly target: string;
  readonly fields: FieldList;
  /** undefined: in chunks, of unknown length. */
  readonly bodyBytes: number | undefined;
  /** Whether the client can read an answer in chunks. */
  readonly takesChunks: boolean;
  /** Whether the client wants to use the connection again. */
  readonly keepsAlive: boolean;
  /** Whether the client waits for a word before it sends its body. */
  readonly expectsContinue: boolean;
}

const REQUEST_LINE = /^([!#$%&'*+.^`|~\w-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])\r\n/;
/** No folded lines, no space before the colon, no bare line feeds. */
const FIELD = /([!#$%&'*+.^`|~\w-]+):([\t\x20-\x7e\x80-\xff]*)\r\n/y;
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/i;
const METHOD_BEGINS = /^[A-Za-z]/;
const LENGTH = /^\d{1,15}$/;

/** @param text Latin-1, up to and with the last field's CRLF */
export function parseRequestHead(text: string): RequestHead | HeadFault {
  const line = REQUEST_LINE.exec(text);
  if (line === null) return "no-http";
  const [all, method = "", target = "", minor] = line;
  const flat: string[] = [];
  for (FIELD.lastIndex = all.length; FIELD.lastIndex < text.length; ) {
    const field = FIELD.exec(text);
    if (field === null) return "no-http";
    flat.push(field[1] ?? "", withoutSpace(field[2] ?? ""));
  }
  return framed({ method, target, isNew: minor === "1", byteLength: text.length + 2 }, new FieldList(flat));
}

/** What can be said of a head that is not whole yet: undefined when nothing speaks against it. */
export function partialHeadFault(text: string): HeadFault | undefined {
  if (text.length > HEAD_BYTES_MAX) return "head-too-large";
  if (text.length > 0 && !METHOD_BEGINS.test(text)) return "no-http";
  return text.includes("\n") && !REQUEST_LINE.test(text) ? "no-http" : undefined;
}

interface Line {
  readonly method: string;
  readonly target: string;
  readonly isNew: boolean;
  /** Of the whole head. */
  readonly byteLength: number;
}

function framed({ method, target, isNew, byteLength }: Line, fields: FieldList): RequestHead | HeadFault {
  if (fields.count("host") > 1 || (isNew && fields.count("host") === 0)) return "no-http";
  const originForm = originFormOf(target, fields.get("host"));
  if (originForm === undefined) return "no-http";
  const bodyBytes = bodyLength(fields, isNew);
  if (bodyBytes === "no-http") return bodyBytes;
  const connection = fields.get("connection")?.toLowerCase() ?? "";
  const keepsAlive = isNew ? !connection.includes("close") : connection.includes("keep-alive");
  const expectsContinue = isNew && fields.get("expect")?.toLowerCase() === "100-continue";
  return { byteLength, method, target: originForm, fields, bodyBytes, takesChunks: isNew, keepsAlive, expectsContinue };
}

/** undefined: two hosts are named. */
function originFormOf(target: string, host: string | undefined): string | undefined {
  const [, authority, path = ""] = ABSOLUTE_FORM.exec(target) ?? [];
  if (authority === undefined) return target;
  if (host !== undefined && host !== authority) return undefined;
  return path.startsWith("/") ? path : `/${path}`;
}

/** One framing, named once: two are how requests are smuggled past a proxy. */
function bodyLength(fields: FieldList, isNew: boolean): number | undefined | "no-http" {
  const [length, coding] = [fields.get("content-length"), fields.get("transfer-encoding")];
  if (coding !== undefined) {
    return isNew && length === undefined && coding.toLowerCase() === "chunked" ? undefined : "no-http";
  }
  if (length === undefined) return 0;
  return LENGTH.test(length) ? Number(length) : "no-http"; // repeated ones come joined, and are no number
}

/** JavaScript's `trim` would take more than HTTP's white space. */
function withoutSpace(value: string): string {
  let [start, end] = [0, value.length];
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09;
