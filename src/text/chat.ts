/** @file Chat templates: messages → the text a chat model was trained on. Written in Jinja, which is loaded when needed. */
import { OptionError } from "../tensor/index.js";
import type { Tokenizer } from "./tokenizer.js";

export interface ChatMessage {
  role: "system" | "user" | "assistant" | (string & {});
  content: string;
}

/**
 * The text of a conversation as the model's own template writes it. Encode it with `addSpecialTokens: false`.
 * @param options.addGenerationPrompt  end where the assistant is to begin. Default true
 * @throws {OptionError} when the tokenizer has no template
 */
export async function renderChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true }: { addGenerationPrompt?: boolean } = {},
): Promise<string> {
  const { chat_template: given } = tokenizer.config;
  const template = Array.isArray(given) ? (given.find((t) => t.name === "default") ?? given[0])?.template : given;
  if (!template) {
    throw new OptionError({
      where: "renderChat",
      argument: "tokenizer",
      got: "has no chat_template",
      expected: "the tokenizer of a chat model",
      fix: "give the text itself to generate()",
    });
  }
  const { Template } = await import("@huggingface/jinja");
  const token = (role: "bos" | "eos" | "pad" | "unk"): string => tokenizer.role(role)?.token ?? "";
  return new Template(template).render({
    messages: messages.map((m) => ({ ...m })),
    add_generation_prompt: addGenerationPrompt,
    bos_token: token("bos"),
    eos_token: token("eos"),
    pad_token: token("pad"),
    unk_token: token("unk"),
  });
}
