/** Whom a certificate is for, and whether that is one of those who are allowed. Pure. */

export interface PeerNames {
  /** `*` stands for any characters. */
  readonly patterns: readonly string[];
  /** That says so, for who is refused. */
  readonly setting: string;
}

/** What Node tells of a certificate (`tls.PeerCertificate`). */
export interface NamedCertificate {
  readonly subject?: { readonly CN?: string | readonly string[]; readonly OU?: string | readonly string[] };
  /** `DNS:a.b, URI:spiffe://c/d`; names with separators or quotes in them are JSON texts. */
  readonly subjectaltname?: string | undefined;
}

const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/gy;

/** Common names, DNS names and URIs as they are, organizational units behind `OU=`. What cannot be read whole gives no alternative names. */
export function certificateNames({ subject, subjectaltname = "" }: NamedCertificate): readonly string[] {
  const named = [...listOf(subject?.CN), ...listOf(subject?.OU).map((unit) => `OU=${unit}`)];
  const alternatives: string[] = [];
  let read = 0;
  for (const [whole, kind, value = ""] of subjectaltname.matchAll(ALTERNATIVE)) {
    read += whole.length;
    if (whole !== "" && (kind === "DNS" || kind === "URI")) alternatives.push(value.startsWith('"') ? unquoted(value) : value);
  }
  return read === subjectaltname.length ? [...named, ...alternatives] : named;
}

export function isNamed(name: string, pattern: string): boolean {
  const parts = pattern.split("*");
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.slice(0, name.length - last.length).indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return true;
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;

function unquoted(text: string): string {
  const value: unknown = JSON.parse(text);
  return String(value);
}
