/**
 * @file Four ways to carry a symbol from where it was read to where it is asked for, with the same number of weights:
 *
 *     ids ─▶ embedding (+ position, for attention only) ─▶ rnn | lstm | gru | attention block ─▶ linear ─▶ symbol
 */
import { ops } from "../kernels/current.js";
import { EncoderBlock, Embedding, GRU, Linear, LSTM, Module, type Part, RNN } from "../nn/index.js";
import { OptionError, type Tensor, tensor } from "../tensor/index.js";

export type SequenceModelKind = "rnn" | "lstm" | "gru" | "attention";
export const sequenceModelKinds: readonly SequenceModelKind[] = ["rnn", "lstm", "gru", "attention"];

export interface SequenceModelOptions {
  kind: SequenceModelKind;
  vocabulary: number;
  /** How many weights; the width that comes nearest is taken. Default 8,000. */
  parameters?: number;
  /** Attention's factor on q·k: 1/√d (default), or 1 to see what happens without. */
  scale?: number;
  /** Default 0. */
  seed?: number;
}

export class SequenceModel extends Module {
  readonly kind: SequenceModelKind;
  readonly width: number;
  readonly #embed: Embedding;
  readonly #core: RNN | LSTM | GRU | EncoderBlock;
  readonly #out: Linear;
  readonly #scale: number | undefined;

  constructor(kind: SequenceModelKind, vocabulary: number, width: number, scale?: number) {
    super();
    this.kind = kind;
    this.width = width;
    this.#embed = new Embedding({ count: vocabulary, width });
    this.#core = coreOf(kind, width);
    this.#out = new Linear({ inputs: width, outputs: vocabulary });
    this.#scale = scale;
  }

  parts(): Record<string, Part> {
    return { embed: this.#embed, [this.kind]: this.#core, out: this.#out };
  }

  /** [rows, length] ids → [rows, length, width]. */
  embed(ids: Int32Array, rows: number): Tensor {
    return this.#embed.forward({ data: ids, shape: [rows, ids.length / rows] });
  }

  /** From embedded tokens on, so that slopes with respect to them can be taken. @returns logits [rows, length, V] */
  decide(x: Tensor): Tensor {
    const core = this.#core;
    if (!(core instanceof EncoderBlock)) return this.#out.forward(core.forward(x).output);
    const placed = ops().binary("add", x, positions(x.shape[1]!, this.width));
    const rules = { causal: true, ...(this.#scale !== undefined && { scale: this.#scale }) };
    return this.#out.forward(core.forward(placed, rules));
  }

  forward(ids: Int32Array, rows: number): Tensor {
    return this.decide(this.embed(ids, rows));
  }
}

/** A model of about so many weights. */
export function sequenceModel(options: SequenceModelOptions): SequenceModel {
  const { kind, vocabulary, parameters = 8000, scale, seed = 0 } = options;
  if (!sequenceModelKinds.includes(kind)) {
    throw new OptionError({
      where: "sequenceModel",
      argument: "kind",
      got: `is ${JSON.stringify(kind)}`,
      expected: `one of ${sequenceModelKinds.join(", ")}`,
    });
  }
  let best = new SequenceModel(kind, vocabulary, 4, scale);
  for (let width = 6; ; width += 2) {
    const next = new SequenceModel(kind, vocabulary, width, scale);
    if (Math.abs(next.parameterCount - parameters) > Math.abs(best.parameterCount - parameters)) break;
    best = next;
  }
  return best.initialise(seed);
}

function coreOf(kind: SequenceModelKind, width: number): RNN | LSTM | GRU | EncoderBlock {
  const sizes = { inputSize: width, hiddenSize: width };
  if (kind === "rnn") return new RNN(sizes);
  if (kind === "lstm") return new LSTM(sizes);
  if (kind === "gru") return new GRU(sizes);
  return new EncoderBlock({ dModel: width, heads: 1, feedForward: 2 * width, activation: "gelu", normFirst: true });
}

/** Sines and cosines of wavelengths from 2π to 10,000·2π, [L, d]. Vaswani et al. 2017 (arXiv:1706.03762) §3.5. */
function positions(length: number, width: number): Tensor {
  const data = new Float32Array(length * width);
  for (let p = 0; p < length; p++) {
    for (let i = 0; i < width; i++) {
      const angle = p / 10000 ** ((2 * Math.floor(i / 2)) / width);
      data[p * width + i] = i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return tensor(data, [length, width]);
}
