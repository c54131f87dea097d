/**
 * @file Watch a head form: a model of two attention layers and nothing else, on random tokens that repeat.
 *
 *     a b c d a b c ?      d: found by looking for the earlier c and copying what came after it
 *
 * It needs two heads in a row: one in the first layer that writes into each token what came before it, one in the second
 * that looks for the token before which the present one came. For a while nothing happens; then, within some dozen steps,
 * both appear and the loss falls. Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Olsson et al.
 * 2022 (arXiv:2209.11895).
 */
import { attend, attentionWeights, rope, splitHeads, viewHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { breather } from "../models/pause.js";
import { Embedding, keepVariance, Linear, Module, ModuleList, type Part, RMSNorm } from "../nn/index.js";
import type { Tensor } from "../tensor/index.js";
import { AdamW, matricesOnly } from "./adamw.js";
import { type Batch, batchOf } from "./batches.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { best, type HeadScore, headScores } from "./head-scores.js";
import { train } from "./loop.js";
import { warmUpCosine } from "./schedule.js";

export interface HeadFormsOptions {
  /** Default 600. */
  steps?: number;
  /** Default 64. */
  width?: number;
  /** Default 2. */
  heads?: number;
  /** Different tokens; default 32. */
  vocabulary?: number;
  /** Rows a step; default 16. */
  rows?: number;
  /** Tokens a row; default 48. */
  length?: number;
  /** Default 1. */
  seed?: number;
  /** Steps between two looks; default 10. */
  look?: number;
  /** Every look brings the run as bytes, from which it can be taken up again. Default false. */
  keep?: boolean;
  /** A run to take up again, as a look of one with the same options has kept it. */
  from?: Uint8Array;
}

export interface HeadFormsStep {
  step: number;
  steps: number;
  /** On tokens that can be foretold. */
  loss: number;
  /** At a look: what every head does. */
  scores?: HeadScore[];
  /** At a look: the best head of each kind. */
  previous?: HeadScore;
  induction?: HeadScore;
  /** At a look: the map of every head, [layer][head] → [L, L] numbers by row, for one sequence of 12 tokens said twice. */
  maps?: Float32Array[][];
  /** At a look, where it is wanted: the run as bytes. */
  kept?: Uint8Array;
}

/** Two layers of attention, with rotary positions, and no feed-forward. */
export class AttentionOnly extends Module {
  readonly #embed: Embedding;
  readonly #layers: ModuleList<AttentionLayer>;
  readonly #norm: RMSNorm;
  readonly #out: Linear;

  constructor({ vocabulary, width, heads }: { vocabulary: number; width: number; heads: number }) {
    super();
    this.#embed = new Embedding({ count: vocabulary, width }); // deviation 1: louder than what a layer adds to it
    this.#layers = new ModuleList([0, 1].map((n) => new AttentionLayer(width, heads, n)));
    this.#norm = new RMSNorm({ width });
    this.#out = new Linear({ inputs: width, outputs: vocabulary, bias: false });
  }

  parts(): Record<string, Part> {
    return { embed: this.#embed, layers: this.#layers, norm: this.#norm, out: this.#out };
  }

  /** [rows · L] ids → logits [rows, L, V]; `maps` is given each layer's q and k when asked for. */
  forward(ids: Int32Array, rows: number, maps?: (q: Tensor, k: Tensor) => void): Tensor {
    let x = this.#embed.forward({ data: ids, shape: [rows, ids.length / rows] });
    for (const layer of this.#layers) x = layer.forward(x, maps);
    return this.#out.forward(this.#norm.forward(x));
  }
}

class AttentionLayer extends Module {
  readonly #norm: RMSNorm;
  readonly #qkv: Linear;
  readonly #out: Linear;
  readonly #heads: number;
  readonly #layer: number;

  constructor(width: number, heads: number, layer: number) {
    super();
    this.#norm = new RMSNorm({ width });
    this.#qkv = new Linear({ inputs: width, outputs: 3 * width, initialiser: keepVariance });
    this.#out = new Linear({ inputs: width, outputs: width, bias: false, initialiser: keepVariance });
    this.#heads = heads;
    this.#layer = layer;
  }

  parts(): Record<string, Part> {
    return { norm: this.#norm, qkv: this.#qkv, out: this.#out };
  }

  forward(x: Tensor, maps?: (q: Tensor, k: Tensor) => void): Tensor {
    const width = x.shape[2]!;
    const qkv = this.#qkv.forward(this.#norm.forward(x));
    const part = (n: number): Tensor => ops().slice(qkv, 2, n * width, (n + 1) * width);
    const [q, k] = [rope(splitHeads(part(0), this.#heads)), rope(splitHeads(part(1), this.#heads))];
    maps?.(q, k);
    const v = viewHeads(qkv, this.#heads, 2 * width);
    const y = attend({ kind: "self", layer: this.#layer }, { q, k, v, causal: true }); // [B, L, H·D]
    return this.#out.forward(y, { residual: x });
  }
}

/** Trains it, step by step, with looks at its heads. A run that is taken up again gives the steps that are left. */
export async function* headForms(options: HeadFormsOptions = {}): AsyncGenerator<HeadFormsStep> {
  const { steps = 600, width = 64, heads = 2, vocabulary = 32, rows = 16, length = 48, seed = 1, look = 10 } = options;
  const model = new AttentionOnly({ vocabulary, width, heads }).initialise(seed);
  const optimiser = new AdamW({ betas: [0.9, 0.98], weightDecay: 0.1, decays: matricesOnly });
  const forward = (batch: Batch): Tensor => model.forward(batch.inputs, batch.rows);
  const from = options.from ? readCheckpoint(options.from, model, optimiser).step : 0;
  const breathe = breather();
  const seen = (): Omit<HeadFormsStep, "step" | "steps" | "loss"> => ({
    ...lookAt(model, vocabulary),
    ...(options.keep && { kept: writeCheckpoint(model, optimiser, null) }),
  });
  if (from === 0) yield { step: 0, steps, loss: Number.NaN, ...seen() };
  for (const { step, loss } of train({
    model,
    optimiser,
    steps,
    from,
    forward,
    batch: (s) =>
      batchOf(
        new Uint16Array(0),
        { rows, length, repeatedRandom: rows, vocabulary, stretch: [4, length >> 1] },
        seed,
        s,
      ),
    learningRate: warmUpCosine({ peak: 1e-2, warmUp: Math.min(50, steps), steps }),
  })) {
    yield { step, steps, loss, ...((step % look === 0 || step === steps) && seen()) };
    await breathe();
  }
}

/** Tokens of the sequence whose maps are shown, before it is said again. */
const SHOWN = 12;

function lookAt(model: AttentionOnly, vocabulary: number): Omit<HeadFormsStep, "step" | "steps" | "loss"> {
  const scores = headScores((rows) => model.forward(Int32Array.from(rows.flat()), rows.length), {
    vocabulary,
    period: 24,
  });
  const maps: Float32Array[][] = [];
  ops().scope(() => {
    const once = Array.from({ length: SHOWN }, (_, i) => (i * 7) % vocabulary);
    model.forward(Int32Array.from([...once, ...once]), 1, (q, k) => {
      const map = attentionWeights(q, k, { causal: true }); // [1, H, L, L]
      const [, heads, L] = map.shape as [number, number, number];
      maps.push(Array.from({ length: heads }, (_, h) => map.data.slice(h * L * L, (h + 1) * L * L)));
    });
  });
  return { scores, previous: best(scores, "previous"), induction: best(scores, "induction"), maps };
}
