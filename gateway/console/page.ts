/** The console's one page, and the policy that lets a browser run what it holds and nothing else. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { assert } from "../../core/errors.ts";

export interface ConsolePage {
  readonly html: string;
  /** For `Content-Security-Policy`: its own style and script by their digests, requests to this server alone. */
  readonly policy: string;
}

/** Reads the page from beside this file: once, when a gateway is composed. */
export function readConsolePage(): ConsolePage {
  const html = readFileSync(new URL("./page.html", import.meta.url), "utf8");
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(html, /<script type="module">([\s\S]*?)<\/script>/)}'`,
    `style-src '${digestOf(html, /<style>([\s\S]*?)<\/style>/)}'`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html, policy };
}

function digestOf(html: string, pattern: RegExp): string {
  const text = pattern.exec(html)?.[1];
  assert(text !== undefined, `the console's page has ${pattern.source}`);
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
