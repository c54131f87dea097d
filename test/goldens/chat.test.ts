/** Conversations as text: what transformers' apply_chat_template writes, by templates in the styles that models use. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ChatMessage, type ChatOptions, readTokenizer, renderChat, type Tokenizer } from "../../src/text/index.js";
import { root } from "./where.js";

interface Goldens {
  tokens: Record<string, string>;
  templates: Record<string, string>;
  chats: Record<string, ChatMessage[]>;
  cases: { template: string; chat: string; options: ChatOptions; text?: string; error?: string }[];
}
const { tokens, templates, chats, cases } = JSON.parse(
  readFileSync(join(root, "test/goldens/data/chat/cases.json"), "utf8"),
) as Goldens;
const tokenizer = (chat_template: unknown): Tokenizer =>
  readTokenizer({
    tokenizer: { model: { type: "WordPiece", vocab: { "<s>": 0, "</s>": 1 }, unk_token: "<s>" } },
    config: { ...tokens, chat_template } as never,
  });

test.each(Object.keys(templates))("every conversation in the style of %s", async (name) => {
  const own = tokenizer(templates[name]);
  const mine = cases.filter((c) => c.template === name);
  expect(mine.length).toBeGreaterThan(20);
  for (const { chat, options, text, error } of mine) {
    const where = `${chat} ${Object.keys(options)}`;
    if (text !== undefined) expect(await renderChat(own, chats[chat]!, options), where).toBe(text);
    else await expect(renderChat(own, chats[chat]!, options), where).rejects.toThrow(/^renderChat: messages are refused/);
    const ownWords = /^(Roles|Only|One|No|Ids)/.test(error ?? "");
    if (ownWords) await expect(renderChat(own, chats[chat]!, options), where).rejects.toThrow(`template: ${error};`);
  }
});

test("a tokenizer with several templates: the one for tools, the default, or the one that is named", async () => {
  const several = tokenizer(["default", "tool_use", "rag"].map((name) => ({ name, template: `${name} {{ messages[0].content }}` })));
  const said = [{ role: "user", content: "x" }];
  expect(await renderChat(several, said)).toBe("default x");
  expect(await renderChat(several, said, { tools: [{}] })).toBe("tool_use x");
  expect(await renderChat(several, said, { template: "rag" })).toBe("rag x");
  await expect(renderChat(several, said, { template: "other" })).rejects.toThrow(
    'renderChat: options.template is "other"; expected one of default, tool_use, rag.',
  );
  await expect(renderChat(tokenizer([{ name: "rag", template: "" }]), said)).rejects.toThrow(
    "renderChat: options.template is not given, and there is no default; expected one of rag.",
  );
});

test("a tokenizer without a template, and one whose template is no template", async () => {
  await expect(renderChat(tokenizer(undefined), [])).rejects.toThrow(
    "renderChat: tokenizer has no chat_template; expected the tokenizer of a chat model. Fix: give the text itself to generate().",
  );
  await expect(renderChat(tokenizer("{% if %}"), [])).rejects.toThrow(/^renderChat: chat_template cannot be read: .*\. Fix: write the prompt by hand\.$/);
});

test("names of special tokens come from special_tokens_map.json where tokenizer_config.json has none", async () => {
  const made = readTokenizer({
    tokenizer: { model: { type: "WordPiece", vocab: { "<s>": 0, "</s>": 1, "<e>": 2 }, unk_token: "<s>" } },
    config: { chat_template: "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}", eos_token: "<e>", pad_token: null },
    specialTokens: '{ "bos_token": { "content": "<s>" }, "eos_token": "</s>" }',
  });
  expect(await renderChat(made, [])).toBe("<s><e>false");
  expect(made.role("bos")).toEqual({ token: "<s>", id: 0 });
});
