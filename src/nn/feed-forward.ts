/**
 * @file The position-wise feed-forward: each row by itself through a wider layer and back.
 *     plain    down(f(up(x)))                 Vaswani et al. 2017 (arXiv:1706.03762) eq. 2
 *     gated    down(f(gate(x)) ⊙ up(x))       Shazeer 2020 (arXiv:2002.05202) eq. 6: GLU, ReGLU, GEGLU, SwiGLU
 */
import { ops } from "../kernels/current.js";
import type { Activation } from "../kernels/kernel.js";
import type { Tensor, TensorLike } from "../tensor/index.js";
import type { Initialiser } from "./initialise.js";
import { Linear } from "./linear.js";
import { Module, type Part } from "./module.js";

export interface FeedForwardOptions {
  dModel: number;
  /** Width of the inner layer; 4·dModel is usual, 8/3·dModel when gated, for the same number of weights. */
  feedForward: number;
  /** Default "relu", as in the first Transformer. */
  activation?: Activation;
  /** A second projection, through the activation, multiplies the first; default false. */
  gated?: boolean;
  bias?: boolean;
  /** Names of the parts in a checkpoint; default torch's linear1, linear2 (and gate). */
  names?: { up: string; down: string; gate?: string };
  initialiser?: Initialiser;
}

export class FeedForward extends Module {
  readonly up: Linear;
  readonly down: Linear;
  readonly gate: Linear | undefined;
  readonly activation: Activation;
  readonly #names: { up: string; down: string; gate?: string };

  constructor(options: FeedForwardOptions) {
    super();
    const { dModel, feedForward, activation = "relu", gated = false, bias = true, initialiser } = options;
    const common = { bias, ...(initialiser && { initialiser }) };
    this.up = new Linear({ inputs: dModel, outputs: feedForward, ...common });
    this.gate = gated ? new Linear({ inputs: dModel, outputs: feedForward, ...common }) : undefined;
    this.down = new Linear({ inputs: feedForward, outputs: dModel, ...common });
    this.activation = activation;
    this.#names = options.names ?? { up: "linear1", down: "linear2" };
  }

  parts(): Record<string, Part> {
    const { up, down, gate = "gate" } = this.#names;
    return { ...(this.gate && { [gate]: this.gate }), [up]: this.up, [down]: this.down };
  }

  /** @param x […, dModel]   @param residual added to the result in the same pass   @returns […, dModel] */
  forward(x: Tensor | TensorLike, residual?: Tensor): Tensor {
    const { activation } = this;
    const inner = this.gate
      ? ops().binary("multiply", this.gate.forward(x, { activation }), this.up.forward(x))
      : this.up.forward(x, { activation }); // […, feedForward]
    return this.down.forward(inner, residual && { residual });
  }
}
