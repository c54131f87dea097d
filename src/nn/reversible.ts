/**
 * @file The reversible residual. Gomez et al. 2017 (arXiv:1707.04585) eq. 6–7; Kitaev et al. 2020 (arXiv:2001.04451) §3.
 *     y1 = x1 + f(x2)      y2 = x2 + g(y1)            forward
 *     x2 = y2 − g(y1)      x1 = y1 − f(x2)            its inputs from its outputs: no activation need be kept
 */
import { ops } from "../kernels/current.js";
import type { Tensor } from "../tensor/index.js";
import { Module, type Part } from "./module.js";

/** A layer with one input and one output of its shape. */
export interface Residual extends Module {
  forward(x: Tensor, options?: never): Tensor;
}

/** Two streams through two layers, invertible to rounding. */
export class ReversibleBlock extends Module {
  readonly f: Residual;
  readonly g: Residual;
  readonly #names: { f: string; g: string };

  /** @param names what f and g are called in a checkpoint; default attention and feed_forward, Reformer's */
  constructor(f: Residual, g: Residual, names = { f: "attention", g: "feed_forward" }) {
    super();
    this.f = f;
    this.g = g;
    this.#names = names;
  }

  parts(): Record<string, Part> {
    return { [this.#names.f]: this.f, [this.#names.g]: this.g };
  }

  /** @param x1 @param x2 two streams of one shape */
  forward(x1: Tensor, x2: Tensor): [y1: Tensor, y2: Tensor] {
    const y1 = ops().binary("add", x1, this.f.forward(x2));
    return [y1, ops().binary("add", x2, this.g.forward(y1))];
  }

  /** The streams that `forward` was given, from what it gave. f and g have to draw nothing anew. */
  inverse(y1: Tensor, y2: Tensor): [x1: Tensor, x2: Tensor] {
    const x2 = ops().binary("subtract", y2, this.g.forward(y1));
    return [ops().binary("subtract", y1, this.f.forward(x2)), x2];
  }
}
