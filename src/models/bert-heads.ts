/**
 * @file What stands on top of BERT and its kin: masked words, a class for the text or for every token, an answer's place, or nothing.
 */
import { ops } from "../kernels/current.js";
import { normal, zeros } from "../nn/initialise.js";
import { Linear } from "../nn/linear.js";
import type { Part } from "../nn/module.js";
import { LayerNorm } from "../nn/norms.js";
import { Parameter } from "../nn/parameter.js";
import type { Tensor } from "../tensor/index.js";
import type { BertShape } from "./bert.js";
import type { BertKind } from "./bert-names.js";
import type { Config } from "./config.js";
import type { ModelParts } from "./model.js";
import { named } from "./named.js";

export interface BertHead {
  /** Parts that stand inside the body ("bert.pooler"). */
  inBody: Record<string, Part>;
  /** Parts beside the body. */
  parts: Record<string, Part>;
  forward(x: Tensor): { logits?: Tensor; pooled?: Tensor };
  /** Its logits are scores of words. */
  saysWords?: boolean;
}

/** The head that `architectures` of config.json names; the last word of a class name is the task. */
export function bertHead(
  config: Config,
  kind: BertKind,
  shape: BertShape,
  words: Parameter,
  parts: ModelParts,
): BertHead {
  const name = (config.json["architectures"] as string[] | undefined)?.[0] ?? "";
  const named = config.json["id2label"] as object | undefined;
  const labels = named ? Object.keys(named).length : config.size("num_labels", 2);
  if (/For(MaskedLM|PreTraining)$/.test(name)) return maskedWords(config, kind, shape, words, parts);
  if (name.endsWith("ForSequenceClassification")) return textClass(kind, shape, labels);
  if (name.endsWith("ForNextSentencePrediction")) return nextSentence(shape);
  if (name.endsWith("ForTokenClassification")) return tokenClass(shape, labels, "classifier");
  if (name.endsWith("ForQuestionAnswering")) return tokenClass(shape, 2, "qa_outputs");
  return pooledText(kind, shape, parts);
}

/** A text's vector: tanh of a linear map of its first token. */
function pooler({ d }: BertShape): { part: Part; forward(x: Tensor): Tensor } {
  const dense = new Linear({ inputs: d, outputs: d });
  return {
    part: named({ dense }),
    forward: (x) => dense.forward(firstToken(x), { activation: "tanh" }), // [B, d]
  };
}

function pooledText(kind: BertKind, shape: BertShape, parts: ModelParts): BertHead {
  const there =
    kind.pooler && (!parts.has || ["", `${kind.prefix}.`].some((p) => parts.has!(`${p}pooler.dense.weight`)));
  if (!there) return { inBody: {}, parts: {}, forward: () => ({}) };
  const pool = pooler(shape);
  return { inBody: { pooler: pool.part }, parts: {}, forward: (x) => ({ pooled: pool.forward(x) }) };
}

/** Score of every word at every token; the last matrix is the word embedding, or, untied, one of its own. */
function maskedWords(
  config: Config,
  kind: BertKind,
  shape: BertShape,
  words: Parameter,
  { has, same }: ModelParts,
): BertHead {
  const { d, epsilon } = shape;
  const own = { bert: "cls.predictions.decoder", roberta: "lm_head.decoder", distilbert: "vocab_projector" }[
    kind.prefix
  ];
  const [matrix, table] = [`${own}.weight`, "embeddings.word_embeddings.weight"];
  const prefixed = `${kind.prefix}.${table}`;
  const differs = has?.(matrix) && same?.(matrix, has(prefixed) ? prefixed : table) === false;
  const decoder = differs ? new Parameter([...words.shape], normal(0.02)) : undefined;
  const bias = new Parameter([words.shape[0]!], zeros);
  const last = { "decoder.weight": decoder, [decoder && has!(`${own}.bias`) ? "decoder.bias" : "bias"]: bias };
  const dense = new Linear({ inputs: d, outputs: d });
  const norm = new LayerNorm({ width: d, epsilon });
  const parts: Record<string, Record<string, Part>> = {
    bert: {
      cls: named({ predictions: named({ ...last, transform: named({ dense, LayerNorm: norm }) }) }),
    },
    roberta: { lm_head: named({ ...last, dense, layer_norm: norm }) },
    distilbert: { vocab_transform: dense, vocab_layer_norm: norm, vocab_projector: named({ bias, weight: decoder }) },
  };
  const activation = kind.prefix === "roberta" ? "gelu" : config.activation(kind.settings.activation, "gelu");
  return {
    inBody: {},
    parts: parts[kind.prefix]!,
    saysWords: true,
    forward: (x) => {
      const y = norm.forward(dense.forward(x, { activation }));
      return { logits: ops().linear(y, (decoder ?? words).weight, { bias: bias.tensor }) };
    },
  };
}

/** Scores of a text's classes. */
function textClass(kind: BertKind, shape: BertShape, labels: number): BertHead {
  const { d } = shape;
  if (kind.prefix === "bert") {
    const pool = pooler(shape);
    const classifier = new Linear({ inputs: d, outputs: labels });
    return {
      inBody: { pooler: pool.part },
      parts: { classifier },
      forward: (x) => {
        const pooled = pool.forward(x);
        return { pooled, logits: classifier.forward(pooled) };
      },
    };
  }
  const dense = new Linear({ inputs: d, outputs: d });
  const output = new Linear({ inputs: d, outputs: labels });
  const isRoberta = kind.prefix === "roberta";
  return {
    inBody: {},
    parts: isRoberta
      ? { classifier: named({ dense, out_proj: output }) }
      : { pre_classifier: dense, classifier: output },
    forward: (x) => ({
      logits: output.forward(dense.forward(firstToken(x), { activation: isRoberta ? "tanh" : "relu" })),
    }),
  };
}

/** Scores of every token's classes; of a question's answer: how well it begins here, how well it ends here. */
function tokenClass({ d }: BertShape, labels: number, name: string): BertHead {
  const classifier = new Linear({ inputs: d, outputs: labels });
  return { inBody: {}, parts: { [name]: classifier }, forward: (x) => ({ logits: classifier.forward(x) }) };
}

/** Whether the second text follows the first: scores of yes and no. */
function nextSentence(shape: BertShape): BertHead {
  const pool = pooler(shape);
  const output = new Linear({ inputs: shape.d, outputs: 2 });
  return {
    inBody: { pooler: pool.part },
    parts: { cls: named({ seq_relationship: output }) },
    forward: (x) => {
      const pooled = pool.forward(x);
      return { pooled, logits: output.forward(pooled) };
    },
  };
}

function firstToken(x: Tensor): Tensor {
  const [B, , d] = x.shape as [number, number, number];
  return ops().reshape(ops().slice(x, 1, 0, 1), [B, d]);
}
