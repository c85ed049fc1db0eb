/** The body of POST /v1/chat/completions, checked. Pure. */
import type { BodyParser } from "../http/body-parser.ts";
import { isJsonObject } from "../http/json-text.ts";
import type { ChatMessage } from "../serving/generation/text-generation.ts";
import { booleanField, type Fields, field, integerField, isSaid, objectField, stringField, wrongField, wrongType } from "./fields.ts";
import {
  commonFields,
  type GenerationCall,
  refuseUnsupported,
  requestFields,
  TEXT_CHARACTERS_MAX,
  TOP_LOGPROBS_MAX,
  tokenLimit,
  tooMuchText,
} from "./generation-call.ts";

const MESSAGES_MAX = 2048;

/** Fields that change what a right answer is. */
const UNSUPPORTED = ["tools", "functions", "audio"];

/** As chat templates know the roles: OpenAI's `developer` is what used to be `system`. */
const TEMPLATE_ROLES: Readonly<Record<string, string>> = { system: "system", developer: "system", user: "user", assistant: "assistant" };

/** @throws ServingError INVALID_ARGUMENT naming the field. */
export function parseChatRequest(bytes: Uint8Array): GenerationCall {
  const fields = requestFields(bytes);
  refuseUnsupported(fields, UNSUPPORTED);
  refuseToolChoice(field(fields, "tool_choice"));
  refuseFormat(objectField(fields, "response_format"));
  const tokensMax = tokenLimit(fields, "max_completion_tokens") ?? tokenLimit(fields, "max_tokens");
  return {
    ...commonFields(fields, topLogprobs(fields)),
    prompts: [{ kind: "chat", messages: chatMessages(field(fields, "messages")) }],
    tokensMax,
    echo: false,
  };
}

export const chatParser: BodyParser<GenerationCall> = {
  parse: parseChatRequest,
  module: new URL(import.meta.url),
  name: parseChatRequest.name,
};

function topLogprobs(fields: Fields): number | undefined {
  const asked = booleanField(fields, "logprobs") ?? false;
  const top = integerField(fields, "top_logprobs", { min: 0, max: TOP_LOGPROBS_MAX });
  if (top !== undefined && !asked) throw wrongField("top_logprobs", "'top_logprobs' requires 'logprobs' to be true.");
  return asked ? (top ?? 0) : undefined;
}

function refuseToolChoice(choice: unknown): void {
  if (!isSaid(choice) || choice === "none" || choice === "auto") return;
  throw wrongField("tool_choice", "tools are not supported yet: leave 'tool_choice' out");
}

function refuseFormat(format: Fields | undefined): void {
  if (format === undefined || field(format, "type") === "text") return;
  throw wrongField("response_format", "only the response format 'text' is supported yet");
}

function chatMessages(value: unknown): readonly ChatMessage[] {
  if (!Array.isArray(value)) throw wrongType("messages", "an array of messages", value ?? null);
  if (value.length === 0) throw wrongField("messages", "Invalid 'messages': at least one message is needed.");
  if (value.length > MESSAGES_MAX) {
    throw wrongField("messages", `Invalid 'messages': at most ${MESSAGES_MAX} messages, but got ${value.length}.`);
  }
  let characters = 0;
  return value.map((message: unknown, index) => {
    const checked = chatMessage(message, `messages[${index}]`);
    characters += checked.content.length;
    if (characters > TEXT_CHARACTERS_MAX) throw tooMuchText("messages");
    return checked;
  });
}

function chatMessage(value: unknown, param: string): ChatMessage {
  if (!isJsonObject(value)) throw wrongType(param, "an object", value);
  const said = field(value, "role");
  if (typeof said !== "string") throw wrongType(`${param}.role`, "a string", said ?? null);
  const role = Object.hasOwn(TEMPLATE_ROLES, said) ? TEMPLATE_ROLES[said] : undefined;
  if (role === undefined) {
    const why = said === "tool" || said === "function" ? "tools are not supported yet" : "expected system, developer, user or assistant";
    throw wrongField(`${param}.role`, `Invalid '${param}.role': ${JSON.stringify(said.slice(0, 40))}: ${why}.`);
  }
  if (isSaid(field(value, "tool_calls"))) throw wrongField(`${param}.tool_calls`, "tools are not supported yet");
  const content = messageContent(field(value, "content"), role, `${param}.content`).toWellFormed();
  const name = stringField(value, "name");
  return name === undefined ? { role, content } : { role, content, name };
}

function messageContent(value: unknown, role: string, param: string): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((part, index) => contentPart(part, `${param}[${index}]`)).join("");
  if ((value === null || value === undefined) && role === "assistant") return "";
  throw wrongType(param, "a string or an array of text parts", value ?? null);
}

function contentPart(value: unknown, param: string): string {
  if (!isJsonObject(value)) throw wrongType(param, "an object", value);
  if (field(value, "type") !== "text") throw wrongField(`${param}.type`, `Invalid '${param}.type': only text parts are supported.`);
  const text = field(value, "text");
  if (typeof text !== "string") throw wrongType(`${param}.text`, "a string", text ?? null);
  return text;
}
