/** Asks a gateway about its cluster over HTTP. */
import { deadlineSignal } from "../../core/abort.ts";
import { systemClock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { ConsoleState } from "../../gateway/console/state.ts";

const ANSWER_MS_MAX = 10_000;

export interface AskedGateway {
  readonly url: string;
  readonly apiKey: string | undefined;
}

/** @throws ServingError UNAVAILABLE when no gateway answers; UNAUTHENTICATED when a key is missing; UNKNOWN when it is no gateway of ours */
export async function askState(gateway: AskedGateway): Promise<ConsoleState> {
  const { status, text } = await ask(gateway, "GET", "/console/state");
  const state: ConsoleState | undefined = parsed(text);
  if (status !== 200 || state?.server?.name !== "nereid")
    throw new ServingError("UNKNOWN", `${gateway.url} answered ${status}: is that a Nereid gateway?`);
  return state;
}

/** @throws ServingError with what the gateway says; as `askState` does */
export async function askToLeave(gateway: AskedGateway, node: string, leaving: boolean): Promise<void> {
  const { status, text } = await ask(gateway, "POST", `/console/nodes/${encodeURIComponent(node)}/${leaving ? "drain" : "undrain"}`);
  if (status === 200) return;
  const said: { readonly error?: string } | undefined = parsed(text);
  throw new ServingError(status === 404 ? "NOT_FOUND" : "UNAVAILABLE", said?.error ?? `${gateway.url} answered ${status}`);
}

async function ask(
  { url, apiKey }: AskedGateway,
  method: string,
  path: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  using limit = deadlineSignal(systemClock, ANSWER_MS_MAX);
  let answer: Response;
  try {
    answer = await fetch(`${url}${path}`, { method, headers, signal: limit.signal });
  } catch (cause) {
    throw new ServingError("UNAVAILABLE", `no gateway answers at ${url}: name one with --url`, { cause });
  }
  if (answer.status === 401 || answer.status === 403) throw new ServingError("UNAUTHENTICATED", `${url} asks for a key: give --api-key`);
  return { status: answer.status, text: await answer.text() };
}

function parsed<T>(text: string): T | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
