/** @file What BERT, RoBERTa and DistilBERT call the same things in config.json and in a checkpoint. */
import type { Linear } from "../nn/linear.js";
import type { Part } from "../nn/module.js";
import type { LayerNorm } from "../nn/norms.js";
import type { Config } from "./config.js";
import { named } from "./named.js";
import type { Tokens } from "./pass.js";

export interface LayerParts {
  q: Linear;
  k: Linear;
  v: Linear;
  output: Linear;
  attentionNorm: LayerNorm;
  up: Linear;
  down: Linear;
  norm: LayerNorm;
}

export interface BertKind {
  prefix: "bert" | "roberta" | "distilbert";
  /** Whether words also carry which of two texts they are in. */
  segments: boolean;
  pooler: boolean;
  names: { stack: string; layer(parts: LayerParts): Record<string, Part> };
  settings: { d: string; heads: string; inner: string; layers: string; activation: string };
  positions(tokens: Tokens, pad: number): Int32Array;
}

const bertLayer = (p: LayerParts): Record<string, Part> => ({
  attention: named({
    self: named({ query: p.q, key: p.k, value: p.v }),
    output: named({ dense: p.output, LayerNorm: p.attentionNorm }),
  }),
  intermediate: named({ dense: p.up }),
  output: named({ dense: p.down, LayerNorm: p.norm }),
});
const distilLayer = (p: LayerParts): Record<string, Part> => ({
  attention: named({ q_lin: p.q, k_lin: p.k, v_lin: p.v, out_lin: p.output }),
  sa_layer_norm: p.attentionNorm,
  ffn: named({ lin1: p.up, lin2: p.down }),
  output_layer_norm: p.norm,
});

const usual = {
  d: "hidden_size",
  heads: "num_attention_heads",
  inner: "intermediate_size",
  layers: "num_hidden_layers",
  activation: "hidden_act",
};
const distil = { d: "dim", heads: "n_heads", inner: "hidden_dim", layers: "n_layers", activation: "activation" };

/** 0, 1, 2 … whatever is padded: BERT's own behaviour. */
function plain({ batch, length }: Tokens): Int32Array {
  return Int32Array.from({ length: batch * length }, (_, i) => i % length);
}

/** pad + 1, pad + 2 … over tokens that are not the pad token; pads stay at pad. */
function afterPad({ batch, length, ids }: Tokens, pad: number): Int32Array {
  const out = new Int32Array(batch * length);
  for (let b = 0; b < batch; b++) {
    let next = pad + 1;
    for (let i = b * length; i < (b + 1) * length; i++) out[i] = ids[i] === pad ? pad : next++;
  }
  return out;
}

const kinds: Readonly<Record<string, BertKind>> = {
  bert: {
    prefix: "bert",
    segments: true,
    pooler: true,
    names: { stack: "encoder", layer: bertLayer },
    settings: usual,
    positions: plain,
  },
  roberta: {
    prefix: "roberta",
    segments: true,
    pooler: true,
    names: { stack: "encoder", layer: bertLayer },
    settings: usual,
    positions: afterPad,
  },
  distilbert: {
    prefix: "distilbert",
    segments: false,
    pooler: false,
    names: { stack: "transformer", layer: distilLayer },
    settings: distil,
    positions: plain,
  },
};

/** The kind that config.json names. */
export function bertKind(config: Config): BertKind {
  return kinds[config.json["model_type"] as string]!;
}
