/** @file A model's files as one thing, wherever they lie: a folder, a download, memory. */
import { FileError } from "../../tensor/index.js";
import { readTokenizer, type Tokenizer } from "../../text/index.js";
import type { Pooling } from "../embed.js";
import type { ConfigJson } from "../config.js";
import type { Weights } from "./weights.js";

/** What a model is built from. */
export interface ModelFiles {
  /** Shown in traces and errors. */
  name: string;
  config: ConfigJson;
  /** "FOLDER/config.json", for errors. */
  configFile: string;
  weights: Weights;
  tokenizer?: Tokenizer | undefined;
  pooling?: Pooling | undefined;
  endIds?: readonly number[] | undefined;
  ropeDivisors?: Float32Array | undefined;
}

/** Reads a text file of the model by its name, undefined where there is none. */
export type ReadText = (name: string) => Promise<string | undefined>;

/** JSON of a file. @throws {FileError} when it is not */
export function parseJson(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new FileError({ where: "loadModel", argument: file, got: "is not JSON", fix: "fetch it again" }, { cause });
  }
}

/** The tokenizer beside a model, where there is one. */
export async function tokenizerBeside(read: ReadText, where: string): Promise<Tokenizer | undefined> {
  const tokenizer = await read("tokenizer.json");
  if (tokenizer === undefined) return undefined;
  const config = await read("tokenizer_config.json");
  const chatTemplate = await read("chat_template.jinja");
  const specialTokens = await read("special_tokens_map.json");
  return readTokenizer({ tokenizer, config, chatTemplate, specialTokens }, `${where}/tokenizer.json`);
}

/** Ids that end a text: generation_config.json knows more of them than config.json (chat models have two). */
export async function endIdsBeside(read: ReadText, where: string): Promise<readonly number[] | undefined> {
  const text = await read("generation_config.json");
  const ids = text && parseJson(text, `${where}/generation_config.json`)["eos_token_id"];
  if (ids === undefined || ids === null || ids === "") return undefined;
  return (Array.isArray(ids) ? ids : [ids]) as number[];
}

/** Ours for sentence-transformers' names. */
const poolings = {
  mean_tokens: "mean",
  cls_token: "cls",
  max_tokens: "max",
  weightedmean_tokens: "weightedMean",
  lasttoken: "last",
} as const;

/** Names of all poolings that are switched on: "pooling_mode_NAME": true, or, newer, "pooling_mode": "NAME". */
function poolingModes(settings: Record<string, unknown>): string[] {
  const names = Object.keys(settings).filter((key) => key.startsWith("pooling_mode_") && settings[key] === true);
  const newer = settings["pooling_mode"];
  if (names.length === 0 && newer !== undefined) {
    const known = Object.keys(poolings);
    return [newer].flat().map((mode) => known.find((k) => k.replace(/_tokens?$/, "") === mode) ?? String(mode));
  }
  return names.length > 0 ? names.map((key) => key.slice("pooling_mode_".length)) : ["mean_tokens"];
}

/** sentence-transformers' settings: modules.json lists the steps, the pooling step has a folder of its own. */
export async function poolingBeside(read: ReadText, where: string): Promise<Pooling | undefined> {
  const list = await read("modules.json");
  if (list === undefined) return undefined;
  const modules = parseJson(list, `${where}/modules.json`) as unknown as { path: string; type: string }[];
  const step = (type: string): { path: string } | undefined => modules.find((m) => m.type.endsWith(`.${type}`));
  const pooling = step("Pooling");
  const text = pooling && (await read(`${pooling.path}/config.json`));
  const settings = text ? parseJson(text, `${where}/${pooling!.path}/config.json`) : {};
  const modes = poolingModes(settings);
  const foreign = modules.find((m) => !/\.(Transformer|Pooling|Normalize)$/.test(m.type));
  const limits = await read("sentence_bert_config.json");
  const maxTokens = limits && parseJson(limits, `${where}/sentence_bert_config.json`)["max_seq_length"];
  return {
    mode: modes.length === 1 && modes[0]! in poolings ? poolings[modes[0] as keyof typeof poolings] : "mean",
    ...(modes.some((m) => !(m in poolings)) && { unsupported: `pools by ${modes.join(" and ")}` }),
    ...(modes.length > 1 && { unsupported: `pools by ${modes.join(" and ")} at once` }),
    ...(foreign && { unsupported: `has a step "${foreign.type}"` }),
    normalise: step("Normalize") !== undefined,
    ...(typeof maxTokens === "number" && { maxTokens }),
  };
}
