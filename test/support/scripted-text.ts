/**
 * A real implementation of the text port without a model: words that follow from the prompt, the seed, the choice and the
 * position alone. It obeys stop strings, limits and cancels, and holds back half characters, as the serving core does.
 */
import { type ErrorCode, ServingError } from "../../core/errors.ts";
import type { FinishReason } from "../../core/messages/generation.ts";
import type {
  ModelDirectory,
  Prompt,
  ResumeRequest,
  ServedModel,
  TextEvent,
  TextGeneration,
  TextRequest,
  TextToken,
} from "../../gateway/serving/generation/text-generation.ts";
import { SCRIPTED_PICK } from "./scripted-pick.ts";

export const SCRIPTED_MODEL = "scripted/words";
export const SCRIPTED_CONTEXT = 4096;

/** Each word is a token, but for the wave: its character is split over two. */
const WORDS = [" the", " sea", " keeps", " its", " own", " time", " and", " Küste", " 海", " tide", " salt", " 🌊", " drift"];
const WAVE = new TextEncoder().encode(" 🌊");
const LENGTH_NATURAL = 24;

export interface ScriptedOptions {
  /** Waits before each token: how a test holds a generation where it wants it. */
  readonly pace?: (choice: number, position: number, signal: AbortSignal) => Promise<void>;
  /** Instead of words. */
  readonly word?: (position: number) => string;
  /** How many tokens a choice has when nothing else ends it. */
  readonly naturalLength?: number;
  /** Is said to be placed again before this token, where nobody takes it. */
  readonly movesAt?: number;
  readonly fail?: { readonly atPosition: number; readonly code: ErrorCode; readonly message: string };
}

interface Delta {
  readonly text: string;
  readonly tokens: readonly TextToken[];
}

interface Ending {
  readonly reason: FinishReason;
  readonly completionTokens: number;
}

export class ScriptedText implements TextGeneration, ModelDirectory {
  readonly #options: ScriptedOptions;
  models: readonly ServedModel[] = [servedModel(SCRIPTED_MODEL)];
  /** Generations that have started and not ended. */
  running = 0;
  /** Ended by the caller: by its signal, or by leaving the loop. */
  canceled = 0;
  /** Events that were pulled out of all generations. */
  pulled = 0;
  readonly requests: TextRequest[] = [];

  constructor(options: ScriptedOptions = {}) {
    this.#options = options;
  }

  list(): readonly ServedModel[] {
    return this.models;
  }

  generate(request: TextRequest, signal: AbortSignal): AsyncGenerator<TextEvent> {
    this.requests.push(request);
    return this.#generate(request, `g${this.requests.length}`, signal);
  }

  /** The same events again, since they follow from the request. */
  async *resume({ generation, tenant, told }: ResumeRequest, signal: AbortSignal): AsyncGenerator<TextEvent> {
    const request = this.requests[Number(generation.slice(1)) - 1];
    if (request?.resumable === undefined || request.tenant !== tenant) {
      throw new ServingError("NOT_FOUND", `there is no resumable generation ${generation}`, { reason: "generation_unknown" });
    }
    for await (const event of this.#generate(request, generation, signal)) {
      const isTold = event.kind === "started" ? told !== undefined : event.position <= (told?.[event.choice] ?? -1);
      yield isTold ? { ...event, told: true } : event;
    }
  }

  async *#generate(request: TextRequest, generation: string, signal: AbortSignal): AsyncGenerator<TextEvent> {
    const promptTokens = this.#admit(request);
    request.explanation?.add(SCRIPTED_PICK);
    this.running++;
    let done = false;
    try {
      const { model, resumable } = request;
      yield { kind: "started", generation, model, version: "1", promptTokens, ...(resumable !== undefined && { resumable }) };
      yield* this.#events(request, signal);
      done = true;
    } catch (thrown) {
      done = !signal.aborted;
      throw thrown;
    } finally {
      this.running--;
      if (!done) this.canceled++;
    }
  }

  #admit({ model, prompt, tokensMax }: TextRequest): number {
    if (!this.models.some(({ name }) => name === model)) {
      throw new ServingError("NOT_FOUND", `The model '${model}' does not exist`, { reason: "model_not_found", param: "model" });
    }
    const promptTokens = countTokens(prompt);
    if (promptTokens + (tokensMax ?? 1) > SCRIPTED_CONTEXT) {
      const message = `prompt of ${promptTokens} tokens and ${tokensMax ?? 1} more exceed the context of ${SCRIPTED_CONTEXT}`;
      throw new ServingError("INVALID_ARGUMENT", message, { reason: "context_length_exceeded", param: "prompt" });
    }
    return promptTokens;
  }

  async *#events(request: TextRequest, signal: AbortSignal): AsyncGenerator<TextEvent> {
    const { pace, fail } = this.#options;
    let scripts = Array.from({ length: request.choices }, (_, choice) => ({ choice, deltas: this.#deltas(request, choice) }));
    for (let position = 0; scripts.length > 0; position++) {
      for (const script of scripts) {
        const { choice, deltas } = script;
        if (pace !== undefined) await pace(choice, position, signal);
        signal.throwIfAborted();
        if (this.#options.movesAt === position) request.explanation?.add({ ...SCRIPTED_PICK, chosen: undefined });
        if (fail?.atPosition === position) throw new ServingError(fail.code, fail.message);
        const next = deltas.next();
        if (next.done === true) {
          scripts = scripts.filter((other) => other !== script);
          yield { kind: "finished", choice, position: next.value.completionTokens + 1, ...next.value };
        } else {
          this.pulled++;
          yield { kind: "delta", choice, position, ...next.value };
        }
      }
    }
  }

  *#deltas(request: TextRequest, choice: number): Generator<Delta, Ending> {
    const natural = this.#options.naturalLength ?? LENGTH_NATURAL;
    const limit = Math.min(request.tokensMax ?? natural, natural);
    const decoder = new TextDecoder();
    let held = "";
    let completionTokens = 0;
    for (const token of this.#tokens(request, choice)) {
      held += decoder.decode(token.bytes, { stream: true });
      completionTokens++;
      const stop = stopAt(held, request.stop);
      const last = completionTokens === limit;
      const safe = stop ?? (last ? held.length : held.length - heldBack(held, request.stop));
      yield { text: held.slice(0, safe), tokens: [token] };
      if (stop !== undefined) return { reason: "stop", completionTokens };
      if (last) break;
      held = held.slice(safe);
    }
    return { reason: limit < natural ? "length" : "stop", completionTokens };
  }

  *#tokens(request: TextRequest, choice: number): Generator<TextToken> {
    const { sampling } = request;
    const random = sampling.temperature > 0 && sampling.topP > 1e-6 ? Number(sampling.seed % 1009n) + 31 * choice : 0;
    const start = countTokens(request.prompt) + random;
    for (let position = 0; ; position++) {
      const id = (start * 7 + position * (3 + (random % 5))) % WORDS.length;
      yield* tokensOf(id, this.#options.word?.(position) ?? WORDS[id] ?? "", sampling.topLogprobs);
    }
  }
}

export function servedModel(name: string): ServedModel {
  return {
    name,
    version: "1",
    readiness: { kind: "ready" },
    contextLength: SCRIPTED_CONTEXT,
    quantization: "native",
    createdSeconds: 1_700_000_000,
    shards: [
      { node: "node-b", stage: 1, stages: 2, firstLayer: 15, endLayer: 30, state: "open" },
      { node: "node-a", stage: 0, stages: 2, firstLayer: 0, endLayer: 15, state: "open" },
    ],
  };
}

function tokensOf(id: number, word: string, top: number | undefined): readonly TextToken[] {
  const bytes = new TextEncoder().encode(word);
  const parts = word === " 🌊" ? [WAVE.subarray(0, 3), WAVE.subarray(3)] : [bytes];
  const topLogprobs = WORDS.slice(0, top ?? 0).map((other, rank) => ({
    id: rank,
    bytes: new TextEncoder().encode(other),
    logprob: -(rank + 1) / 4,
  }));
  return parts.map((part) => ({ id, bytes: part, logprob: top === undefined ? undefined : -0.25, topLogprobs }));
}

function stopAt(text: string, stops: readonly string[]): number | undefined {
  const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at !== -1);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** How many characters at the end may turn out to be the beginning of a stop string. */
function heldBack(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    if (stops.some((stop) => stop.startsWith(text.slice(-length)))) return length;
  }
  return 0;
}

function countTokens(prompt: Prompt): number {
  switch (prompt.kind) {
    case "text":
      return prompt.text.split(/\s+/).filter((word) => word !== "").length;
    case "ids":
      return prompt.ids.length;
    case "chat":
      return prompt.messages.reduce((sum, { content }) => sum + 2 + content.split(/\s+/).length, 0);
  }
}
