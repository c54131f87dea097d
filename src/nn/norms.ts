/** @file LayerNorm and RMSNorm as layers. */
import { ops } from "../kernels/current.js";
import type { Tensor, TensorLike } from "../tensor/index.js";
import { layerNorm, rmsNorm } from "./functions.js";
import { ones, zeros } from "./initialise.js";
import { Module, type Part } from "./module.js";
import { Parameter } from "./parameter.js";

export interface NormOptions {
  /** Numbers a row. */
  width: number;
  epsilon?: number;
  /** LayerNorm only; default true. */
  bias?: boolean;
  /** RMSNorm only: what is kept is w − 1, around zero, as Gemma's checkpoints have it; default false. */
  plusOne?: boolean;
}

/** (x − mean)/√(variance + ε)·weight + bias. Ba et al. 2016 (arXiv:1607.06450). */
export class LayerNorm extends Module {
  readonly width: number;
  readonly epsilon: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor({ width, epsilon = 1e-5, bias = true }: NormOptions) {
    super();
    this.width = width;
    this.epsilon = epsilon;
    this.weight = new Parameter([width], ones);
    this.bias = bias ? new Parameter([width], zeros) : undefined;
  }

  parts(): Record<string, Part> {
    return { weight: this.weight, bias: this.bias };
  }

  /** What rows are multiplied by, [width]. */
  get scale(): Tensor {
    return this.weight.tensor;
  }

  forward(x: Tensor | TensorLike): Tensor {
    return layerNorm(x, this.scale, this.bias?.tensor, this.epsilon);
  }
}

/** x/√(mean x² + ε)·weight: no mean is taken away. Zhang & Sennrich 2019 (arXiv:1910.07467). */
export class RMSNorm extends Module {
  readonly width: number;
  readonly epsilon: number;
  readonly weight: Parameter;
  readonly #plusOne: boolean;

  constructor({ width, epsilon = 1e-6, plusOne = false }: NormOptions) {
    super();
    this.width = width;
    this.epsilon = epsilon;
    this.weight = new Parameter([width], plusOne ? zeros : ones);
    this.#plusOne = plusOne;
  }

  parts(): Record<string, Part> {
    return { weight: this.weight };
  }

  /** What rows are multiplied by, [width]. */
  get scale(): Tensor {
    return this.#plusOne ? ops().affine(this.weight.tensor, 1, 1) : this.weight.tensor;
  }

  forward(x: Tensor | TensorLike): Tensor {
    return rmsNorm(x, this.scale, this.epsilon);
  }
}
