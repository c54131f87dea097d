/** @file The parts of a tokenizer.json this room reads. Format: https://huggingface.co/docs/tokenizers (Apache-2.0). */

/** A step of the pipeline: `type` names it, the rest are its settings. */
export interface Step {
  type: string;
  [setting: string]: unknown;
}

export interface AddedTokenJson {
  id: number;
  content: string;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  special?: boolean;
}

export interface TokenizerJson {
  added_tokens?: AddedTokenJson[] | null;
  normalizer?: Step | null;
  pre_tokenizer?: Step | null;
  post_processor?: Step | null;
  decoder?: Step | null;
  model: Step & { vocab: Record<string, number> | [string, number][] };
}

/** tokenizer_config.json: what Python's tokenizer classes keep beside the pipeline. */
export interface TokenizerConfigJson {
  chat_template?: string | { name: string; template: string }[];
  bos_token?: string | { content: string } | null;
  eos_token?: string | { content: string } | null;
  pad_token?: string | { content: string } | null;
  unk_token?: string | { content: string } | null;
  [setting: string]: unknown;
}
