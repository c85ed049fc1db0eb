/** Chats become prompts by the model's own template; what a template refuses is the client's to hear. */
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../core/errors.ts";
import { createRenderChat, type RenderOptions, type TemplateMessage } from "../../../../gateway/text/chat-template.ts";
import { byteLevelBundle } from "../../../support/text-bundles.ts";

const OPTIONS: RenderOptions = { nowMs: Date.UTC(2024, 6, 5), addGenerationPrompt: true };
const HI: readonly TemplateMessage[] = [{ role: "user", content: "Hi" }];

function render(chatTemplate: string, messages = HI, options: Partial<RenderOptions> = {}): string {
  const bundle = byteLevelBundle([], { chatTemplate, bosToken: "<s>", eosToken: "</s>" });
  return createRenderChat(bundle)(messages, { ...OPTIONS, ...options });
}

const SIMPLE = "{% for message in messages %}{{ message.role }}: {{ message['content'] }}\n{% endfor %}";

describe("a chat template", () => {
  test("sees the messages, the special tokens and whether the assistant is to go on", () => {
    const template = `{{ bos_token }}${SIMPLE}{% if add_generation_prompt %}assistant:{% endif %}{{ eos_token }}`;
    expect(render(template)).toBe("<s>user: Hi\nassistant:</s>");
    expect(render(template, HI, { addGenerationPrompt: false })).toBe("<s>user: Hi\n</s>");
  });

  test("sees a content that is null or missing as an empty text", () => {
    const messages: readonly TemplateMessage[] = [
      { role: "user", content: "a" },
      { role: "assistant", content: null },
      { role: "user", content: undefined },
    ];
    expect(render("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}", messages)).toBe("[a][][]");
  });

  test("sees a name only where there is one", () => {
    const template = "{% for m in messages %}{% if m.name is defined %}{{ m.name }}{% else %}-{% endif %}{% endfor %}";
    expect(render(template, [...HI, { role: "user", content: "x", name: "Ada" }])).toBe("-Ada");
  });

  test("is told the time that it is given, in UTC", () => {
    expect(render("{{ strftime_now('%d %b %Y') }}")).toBe("05 Jul 2024");
  });

  test("sees more variables, which cannot replace its own", () => {
    const variables = { enable_thinking: false, messages: [], range: "x", namespace: 1 };
    expect(render("{% if not enable_thinking %}/no_think {% endif %}{{ messages | length }}", HI, { variables })).toBe("/no_think 1");
  });

  test("finds what templates commonly use: ranges, namespaces, undefined tools", () => {
    const template =
      "{% set ns = namespace(n=0) %}{% for i in range(1, 4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}" +
      "{% if tools is not defined %} none{% endif %}{% if not custom_tools %} {{ None is none }}{% endif %}";
    expect(render(template)).toBe("6 none true");
  });

  test("does not leave anything behind for the next chat", () => {
    const renderChat = createRenderChat(byteLevelBundle([], { chatTemplate: "{{ seen }}{% set seen = 'x' %}{{ seen }}" }));
    expect([renderChat(HI, OPTIONS), renderChat(HI, OPTIONS)]).toEqual(["x", "x"]);
  });

  test("refuses messages in its own words", () => {
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(
      new ServingError("INVALID_ARGUMENT", "the model's chat template refuses these messages: roles must alternate", { param: "messages" }),
    );
  });

  test.each([
    ["an error while it runs", "{{ messages.foo.bar.baz() }}"],
    ["a range without bounds", "{% for i in range(1000000000) %}{% endfor %}"],
    ["a range of no step", "{% for i in range(0, 1, 0) %}{% endfor %}"],
  ])("answers INVALID_ARGUMENT for %s", (_, template) => {
    expect(() => render(template)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", param: "messages" }));
  });

  test("that cannot be parsed leaves completions usable, and says so", () => {
    expect(() => render("{% if %}")).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("use /v1/completions") }),
    );
  });

  test("that a model does not have is answered with the remedy", () => {
    expect(() => createRenderChat(byteLevelBundle())(HI, OPTIONS)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        param: "messages",
        message: "this model has no chat template: use /v1/completions with a prompt instead",
      }),
    );
  });
});
