/** Fetches a file from the Hugging Face hub, after asking whether it is the one with the digest that is wanted. */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { HubSource } from "./catalog.ts";
import type { ExpectedFile } from "./verified-file.ts";

export const HUB_URL = "https://huggingface.co";

const ASK_MS_MAX = 15_000;

export const hubFileUrl = (hub: string, source: HubSource): string =>
  `${hub}/${source.repository}/resolve/${encodeURIComponent(source.revision)}/${encodeURIComponent(source.file)}`;

/** @throws ServingError UNAVAILABLE when the hub cannot be reached, refuses, or has another file there */
export async function openHubFile(
  source: HubSource,
  expected: ExpectedFile,
  options: { readonly hub: string; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<AsyncIterable<Uint8Array>> {
  const url = hubFileUrl(options.hub, source);
  using limit = deadlineSignal(options.clock, ASK_MS_MAX, options.signal);
  // The hub answers with a redirect to its storage; the digest of a large file stands in the redirect's own headers.
  const asked = await fetched(url, { method: "HEAD", redirect: "manual", signal: limit.signal });
  if (asked.status >= 400) throw new ServingError("UNAVAILABLE", `${url} answered ${asked.status}`);
  const digest = (asked.headers.get("x-linked-etag") ?? "").replaceAll('"', "");
  if (/^[0-9a-f]{64}$/.test(digest) && digest !== expected.sha256) {
    throw new ServingError("UNAVAILABLE", `${url} is another file (digest ${digest})`);
  }
  const answer = await fetched(url, { signal: options.signal });
  if (!answer.ok || answer.body === null) throw new ServingError("UNAVAILABLE", `${url} answered ${answer.status}`);
  return answer.body;
}

async function fetched(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted === true && init.signal.reason instanceof ServingError) throw init.signal.reason;
    const origin = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
    throw new ServingError("UNAVAILABLE", `${new URL(url).host} cannot be reached: ${origin}`, { cause });
  }
}
