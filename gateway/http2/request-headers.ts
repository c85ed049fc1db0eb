/** A request's headers, and what makes them none. Source: RFC 9113, sections 8.2 and 8.3. Pure. */

import type { HeaderList } from "./hpack/decoder.ts";
import type { HeaderField } from "./hpack/static-table.ts";

/** Of one request, or of many that said the same. */
export interface RequestHeaders {
  readonly method: string;
  readonly path: string;
  /** By lower-case name, without the pseudo-headers; repeated ones are joined by ", ". */
  readonly fields: ReadonlyMap<string, string>;
  /** What the body has to be long; undefined: as it comes. */
  readonly bodyBytes: number | undefined;
  /** They are larger than the limit: some are missing. */
  readonly oversized: boolean;
}

const PSEUDO = [":method", ":scheme", ":authority", ":path"];
/** Lower-case tokens: RFC 9110, section 5.6.2. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What breaks heads in other protocols, and white space at either end. */
const WRONG_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
/** Of HTTP/1's connections. */
const OF_CONNECTIONS = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/** @returns undefined for what is malformed */
export function requestHeaders({ fields: list, oversized }: HeaderList): RequestHeaders | undefined {
  const pseudo = new Map<string, string>();
  const fields = new Map<string, string>();
  for (const { name, value } of list) {
    if (WRONG_VALUE.test(value)) return undefined;
    if (name.startsWith(":")) {
      if (fields.size > 0 || pseudo.has(name) || !PSEUDO.includes(name)) return undefined;
      pseudo.set(name, value);
      continue;
    }
    if (!isField(name, value)) return undefined;
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const [method, path, scheme] = [pseudo.get(":method"), pseudo.get(":path"), pseudo.get(":scheme")];
  const length = fields.get("content-length");
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return undefined;
  const bodyBytes = length === undefined ? undefined : Number(length);
  if (oversized) return { method: method ?? "", path: path ?? "", fields, bodyBytes, oversized };
  if (method === undefined || method === "" || !hasTarget(method, path, scheme)) return undefined;
  return { method, path: path ?? "", fields, bodyBytes, oversized };
}

/** Whether these may stand behind a body. */
export function areTrailers({ fields }: HeaderList): boolean {
  return fields.every(({ name, value }: HeaderField) => isField(name, value) && !WRONG_VALUE.test(value));
}

function isField(name: string, value: string): boolean {
  if (!NAME.test(name) || OF_CONNECTIONS.includes(name)) return false;
  return name !== "te" || value.toLowerCase() === "trailers";
}

/** CONNECT has neither path nor scheme; all others have both. */
function hasTarget(method: string, path: string | undefined, scheme: string | undefined): boolean {
  if (method === "CONNECT") return path === undefined && scheme === undefined;
  return path !== undefined && path !== "" && scheme !== undefined;
}
