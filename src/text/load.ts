/** @file Opens a tokenizer from a folder, a tokenizer.json, or contents that are in memory. */
import { FileError } from "../tensor/index.js";
import type { TokenizerConfigJson, TokenizerJson } from "./json.js";
import { Tokenizer } from "./tokenizer.js";

/** Contents of a tokenizer's files: text as read, or parsed. */
export interface TokenizerFiles {
  tokenizer: string | TokenizerJson;
  config?: string | TokenizerConfigJson | undefined;
  /** chat_template.jinja, where the template has a file of its own. */
  chatTemplate?: string | undefined;
  /** special_tokens_map.json: names of special tokens, where tokenizer_config.json has none. */
  specialTokens?: string | undefined;
}

/**
 * Makes a tokenizer from contents in memory; works anywhere.
 * @param file named in errors
 */
export function readTokenizer(
  { tokenizer, config, chatTemplate, specialTokens }: TokenizerFiles,
  file = "tokenizer.json",
): Tokenizer {
  const settings = (typeof config === "string" ? parse(config, "tokenizer_config.json") : config) ?? {};
  const names = specialTokens === undefined ? {} : parse(specialTokens, "special_tokens_map.json");
  const template = chatTemplate === undefined ? {} : { chat_template: chatTemplate };
  const whole = { ...(names as object), ...(settings as object), ...template };
  const json = typeof tokenizer === "string" ? parse(tokenizer, file) : tokenizer;
  return new Tokenizer(json as TokenizerJson, whole as TokenizerConfigJson, file);
}

/**
 * Opens a tokenizer from disk (Node).
 * @param path a folder with tokenizer.json (and tokenizer_config.json, if there is one), or a tokenizer.json itself
 * @throws {FileError} when there is none, or one without a needed section
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const { readFile, stat } = await import("node:fs/promises");
  const { dirname, join } = await import("node:path");
  const isFolder = await stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
  const folder = isFolder ? path : dirname(path);
  const file = isFolder ? join(path, "tokenizer.json") : path;
  const text = (name: string): Promise<string | undefined> => readFile(name, "utf8").catch(() => undefined);
  const tokenizer = await text(file);
  if (tokenizer === undefined) {
    throw new FileError({
      where: "loadTokenizer",
      argument: path,
      got: isFolder ? "is a folder without tokenizer.json" : "cannot be read",
      expected: "a tokenizer.json, or a folder that has one",
      fix: 'save one from Python: AutoTokenizer.from_pretrained("…", use_fast=True).save_pretrained("FOLDER")',
    });
  }
  return readTokenizer(
    {
      tokenizer,
      config: await text(join(folder, "tokenizer_config.json")),
      chatTemplate: await text(join(folder, "chat_template.jinja")),
      specialTokens: await text(join(folder, "special_tokens_map.json")),
    },
    file,
  );
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const got = "is not JSON";
    throw new FileError({ where: "loadTokenizer", argument: file, got, fix: "fetch it again" }, { cause });
  }
}
