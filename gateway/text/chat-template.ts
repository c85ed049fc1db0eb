/** Chats to prompts by the model's own Jinja template. Pure: the time that a template may ask for is an argument. */
import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { ServingError } from "../../core/errors.ts";
import type { TextBundle } from "../../core/model/text-bundle.ts";
import { formatTime } from "./time-format.ts";

/** A message as it arrives; templates see null and missing content as an empty text. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string | null | undefined;
  readonly name?: string | undefined;
}

export interface RenderOptions {
  /** Unix milliseconds: what `strftime_now` tells. */
  readonly nowMs: number;
  /** End with the opening of the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** More variables for the template, such as `enable_thinking`; they cannot replace the ones above. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** The prompt's text; encode it without `addSpecial`. @throws ServingError INVALID_ARGUMENT, param `messages` */
export type RenderChat = (messages: readonly TemplateMessage[], options: RenderOptions) => string;

const RANGE_MAX = 100_000;

/** Jinja's `range`, with an end: a template is another's program. */
function range(first: number, second?: number, step = 1): readonly number[] {
  const [start, end] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((end - start) / step));
  if (!(length <= RANGE_MAX)) throw new ServingError("INVALID_ARGUMENT", `range of ${length} values, at most ${RANGE_MAX}`);
  return Array.from({ length }, (_, index) => start + index * step);
}

function environmentOf(bundle: TextBundle, messages: readonly TemplateMessage[], options: RenderOptions): Environment {
  const variables: Record<string, unknown> = {
    ...options.variables,
    messages: messages.map((message) => ({
      role: message.role,
      content: message.content ?? "",
      ...(message.name === undefined ? {} : { name: message.name }),
    })),
    add_generation_prompt: options.addGenerationPrompt,
    bos_token: bundle.bosToken,
    eos_token: bundle.eosToken,
    range,
    strftime_now: (format: string) => formatTime(options.nowMs, format),
    raise_exception: (message: unknown) => {
      throw new ServingError("INVALID_ARGUMENT", String(message));
    },
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
  };
  const environment = new Environment();
  for (const [name, value] of Object.entries(variables)) if (name !== "namespace") environment.set(name, value);
  return environment;
}

function refused(why: string, cause: unknown): ServingError {
  return new ServingError("INVALID_ARGUMENT", `the model's chat template refuses these messages: ${why}`, { cause, param: "messages" });
}

const unable = (message: string, cause?: unknown): RenderChat => {
  return () => {
    throw new ServingError("INVALID_ARGUMENT", message, { cause, param: "messages" });
  };
};

/** Parses the model's template once. A model without one, or with one that cannot be parsed, still serves completions. */
export function createRenderChat(bundle: TextBundle): RenderChat {
  const remedy = "use /v1/completions with a prompt instead";
  if (bundle.chatTemplate === undefined) return unable(`this model has no chat template: ${remedy}`);
  let template: Template;
  try {
    template = new Template(bundle.chatTemplate);
  } catch (cause) {
    return unable(`this model's chat template cannot be parsed: ${remedy}`, cause);
  }
  return (messages, options) => {
    try {
      const rendered = new Interpreter(environmentOf(bundle, messages, options)).run(template.parsed);
      if (typeof rendered.value === "string") return rendered.value;
    } catch (cause) {
      throw refused(cause instanceof Error ? cause.message : String(cause), cause);
    }
    throw refused("it renders no text", undefined);
  };
}
