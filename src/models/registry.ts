/** @file Which file serves which `model_type`: one line an architecture. */
import { FileError, nearestName } from "../tensor/index.js";
import { Bert } from "./bert.js";
import type { Config } from "./config.js";
import { Gemma } from "./gemma.js";
import { Gpt2 } from "./gpt2.js";
import { GptNeox } from "./gpt-neox.js";
import { Llama } from "./llama.js";
import type { Model, ModelParts } from "./model.js";
import { Olmo2 } from "./olmo2.js";
import { Phi3 } from "./phi3.js";
import { T5 } from "./t5.js";

interface Architecture {
  make: new (config: Config, parts: ModelParts) => Model;
  /** Names in checkpoints that are no weights: causal masks, position numbers, copies of a tied matrix. */
  ignore?: RegExp;
}

/** Angles that follow from the config, and a copy of the word embedding. */
const llamaExtras = /rotary_emb\.inv_freq$|^lm_head\.weight$/;

const architectures: Readonly<Record<string, Architecture>> = {
  bert: { make: Bert, ignore: bertExtras() },
  distilbert: { make: Bert, ignore: bertExtras() },
  gemma: { make: Gemma, ignore: llamaExtras },
  gemma2: { make: Gemma, ignore: llamaExtras },
  gemma3_text: { make: Gemma, ignore: llamaExtras },
  gpt2: { make: Gpt2, ignore: /\.attn\.(bias|masked_bias)$|^lm_head\.weight$/ },
  gpt_neox: { make: GptNeox, ignore: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$|^embed_out\.weight$/ },
  llama: { make: Llama, ignore: llamaExtras },
  mistral: { make: Llama, ignore: llamaExtras },
  olmo2: { make: Olmo2, ignore: llamaExtras },
  phi3: { make: Phi3, ignore: llamaExtras },
  qwen2: { make: Llama, ignore: llamaExtras },
  qwen3: { make: Llama, ignore: llamaExtras },
  roberta: { make: Bert, ignore: bertExtras() },
  starcoder2: { make: Llama, ignore: llamaExtras },
  t5: { make: T5, ignore: /^(en|de)coder\.embed_tokens\.weight$|^lm_head\.weight$/ },
};

/** Heads that a checkpoint of another task has, and copies of the word embedding. */
function bertExtras(): RegExp {
  return /position_ids$|^cls\.|^(bert\.|roberta\.)?pooler\.|^lm_head\.|^vocab_|decoder\.(weight|bias)$|^classifier\.|^qa_outputs\./;
}

/** Every `model_type` that can be loaded. */
export const supported: readonly string[] = Object.keys(architectures);

/** The architecture that config.json names. @throws {FileError} naming the nearest one there is */
export function architectureOf(config: Config): Architecture {
  const name = config.json["model_type"];
  if (typeof name === "string" && Object.hasOwn(architectures, name)) return architectures[name]!;
  const nearest = typeof name === "string" ? nearestName(name, supported) : undefined;
  throw new FileError({
    where: "loadModel",
    argument: `"model_type" of ${config.file}`,
    got: name === undefined ? "is missing" : `is ${JSON.stringify(name)}${nearest ? `; nearest is "${nearest}"` : ""}`,
    expected: `one of ${supported.join(", ")}`,
    fix: "see docs/adding-a-model.md: an architecture is one file and one line",
  });
}
