/** `nereid chat`: a conversation on a terminal, or one prompt from a pipe. */
import { createInterface, type Interface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import pc from "picocolors";
import { linkedSignal } from "../core/abort.ts";
import { systemClock } from "../core/clock.ts";
import { ServingError } from "../core/errors.ts";
import { readSettings, type SettingsSource } from "../core/settings.ts";
import { answerTo, type ChatTurn, servedModels } from "./chat/ask.ts";
import { failureLine } from "./exit.ts";
import { CHAT_SETTINGS } from "./settings/settings-tables.ts";
import { stopSignal } from "./stop.ts";

interface Server {
  readonly url: string;
  readonly model: string;
  readonly maxTokens: number;
}

export async function chat(source: SettingsSource): Promise<void> {
  const settings = readSettings(CHAT_SETTINGS, source);
  using stop = stopSignal(systemClock, source.environment);
  const models = await servedModels(settings.url, stop.signal);
  const model = settings.model ?? models[0];
  if (model === undefined)
    throw new ServingError("UNAVAILABLE", `${settings.url} serves no model yet: wait until it is ready, then run this again`);
  const server: Server = { url: settings.url, model, maxTokens: settings.maxTokens };
  const opening: readonly ChatTurn[] = settings.system === undefined ? [] : [{ role: "system", content: settings.system }];
  if (process.stdin.isTTY) await converse(server, opening, stop.signal);
  else await answerOnce(server, opening, stop.signal);
}

async function answerOnce(server: Server, opening: readonly ChatTurn[], signal: AbortSignal): Promise<void> {
  const prompt = (await text(process.stdin)).trim();
  if (prompt === "") throw new ServingError("INVALID_ARGUMENT", 'the prompt is empty: echo "What is the sea?" | npx nereid chat');
  for await (const piece of answerTo([...opening, { role: "user", content: prompt }], server, signal)) process.stdout.write(piece);
  process.stdout.write("\n");
}

/** Ctrl-C takes back the answer that is being given; without one, the second Ctrl-C ends the conversation, as Ctrl-D does. */
async function converse(server: Server, opening: readonly ChatTurn[], signal: AbortSignal): Promise<void> {
  process.stdout.write(pc.dim(`${server.model} at ${server.url}. Ctrl-C stops an answer, Ctrl-D ends.\n`));
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: pc.cyan("> ") });
  const close = () => terminal.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    await takeTurns(terminal, server, opening, signal);
  } finally {
    signal.removeEventListener("abort", close);
    terminal.close();
  }
}

async function takeTurns(terminal: Interface, server: Server, opening: readonly ChatTurn[], signal: AbortSignal): Promise<void> {
  const turns: ChatTurn[] = [...opening];
  let stopAnswer: (() => void) | undefined;
  let warned = false;
  terminal.on("SIGINT", () => {
    if (stopAnswer !== undefined) return stopAnswer();
    if (warned) return terminal.close();
    warned = true;
    process.stdout.write(pc.dim("\n(Ctrl-C again ends)\n"));
    terminal.prompt();
  });
  terminal.prompt();
  for await (const line of terminal) {
    warned = false;
    if (line.trim() !== "") {
      using limit = linkedSignal(signal);
      stopAnswer = () => limit.abort(new ServingError("CANCELLED", "answer stopped"));
      const said = await printAnswer([...turns, { role: "user", content: line }], server, limit.signal);
      stopAnswer = undefined;
      if (said !== "") turns.push({ role: "user", content: line }, { role: "assistant", content: said });
    }
    terminal.prompt();
  }
}

/** What of the answer was said; a failure becomes a line, and the conversation goes on. */
async function printAnswer(turns: readonly ChatTurn[], server: Server, signal: AbortSignal): Promise<string> {
  let said = "";
  try {
    for await (const piece of answerTo(turns, server, signal)) {
      said += piece;
      process.stdout.write(piece);
    }
    process.stdout.write("\n");
  } catch (thrown) {
    process.stdout.write(signal.aborted ? pc.dim(" (stopped)\n") : `\n${pc.red(failureLine(thrown))}\n`);
  }
  return said;
}
