/** @file Chat templates: messages → the text a chat model was trained on. Written in Jinja, which is loaded when needed. */
import { FileError, OptionError } from "../tensor/index.js";
import type { Tokenizer } from "./tokenizer.js";

/** What was said. Templates read further fields too: `tool_calls`, `tool_call_id`, `name`, `reasoning_content`. */
export interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool" | (string & {});
  /** A text, or the parts a template knows ({ type: "text", text }); none where an assistant only calls tools. */
  content?: string | readonly Record<string, unknown>[] | null | undefined;
  [field: string]: unknown;
}

export interface ChatOptions {
  /** End where the assistant is to begin. Default true. */
  addGenerationPrompt?: boolean | undefined;
  /** What the model may call: JSON schemas, as the field writes them: { type: "function", function: { name, … } }. */
  tools?: readonly Record<string, unknown>[] | undefined;
  /** Texts to answer from, for templates that read some. */
  documents?: readonly Record<string, unknown>[] | undefined;
  /** Of a tokenizer with several: the name of one. Default "tool_use" where tools are given, else "default". */
  template?: string | undefined;
  /** Whatever else the template asks for: { enable_thinking: false }. */
  variables?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The text of a conversation as the model's own template writes it. Encode it with `addSpecialTokens: false`.
 * @throws {OptionError} when the tokenizer has no template, or its template refuses the messages
 */
export async function renderChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Promise<string> {
  const { addGenerationPrompt = true, tools, documents, variables } = options;
  const text = templateOf(tokenizer, options);
  const { Template } = await import("@huggingface/jinja");
  let template: InstanceType<typeof Template>;
  try {
    template = new Template(text);
  } catch (cause) {
    const got = `cannot be read: ${(cause as Error).message.split("\n")[0]}`;
    throw new FileError(
      { where: "renderChat", argument: "chat_template", got, fix: "write the prompt by hand" },
      { cause },
    );
  }
  try {
    return template.render({
      ...specialTokens(tokenizer),
      ...variables,
      messages: messages.map((m) => ({ ...m })),
      tools: tools ?? null, // templates ask whether it is none, and what is not there at all is not none
      documents: documents ?? null,
      add_generation_prompt: addGenerationPrompt,
    });
  } catch (cause) {
    const said = (cause as Error).message.split("\n")[0];
    const expected = "roles in the order that the template asks for";
    const got = `are refused by the model's chat template: ${said}`;
    throw new OptionError({ where: "renderChat", argument: "messages", got, expected }, { cause });
  }
}

function templateOf(tokenizer: Tokenizer, { template: wanted, tools }: ChatOptions): string {
  const { chat_template: given } = tokenizer.config;
  if (!given) {
    throw new OptionError({
      where: "renderChat",
      argument: "tokenizer",
      got: "has no chat_template",
      expected: "the tokenizer of a chat model",
      fix: "give the text itself to generate()",
    });
  }
  const list = typeof given === "string" ? [{ name: "default", template: given }] : given;
  const named = (name: string): string | undefined => list.find((t) => t.name === name)?.template;
  const found = wanted === undefined ? ((tools && named("tool_use")) ?? named("default")) : named(wanted);
  if (found !== undefined) return found;
  throw new OptionError({
    where: "renderChat",
    argument: "options.template",
    got: wanted === undefined ? "is not given, and there is no default" : `is ${JSON.stringify(wanted)}`,
    expected: `one of ${list.map((t) => t.name).join(", ")}`,
  });
}

/** Every `…_token` of tokenizer_config.json, as it is written. */
function specialTokens({ config }: Tokenizer): Record<string, string> {
  const entries = Object.entries(config).flatMap(([name, value]): [string, string][] => {
    const text = (value as { content?: unknown } | null)?.content ?? value;
    return name.endsWith("_token") && typeof text === "string" ? [[name, text]] : [];
  });
  return Object.fromEntries(entries);
}
