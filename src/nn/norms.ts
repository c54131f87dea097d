/** @file LayerNorm and RMSNorm as layers. */
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
}

/** (x − mean)/√(variance + ε)·weight + bias. Ba et al. 2016 (arXiv:1607.06450). */
export class LayerNorm extends Module {
  readonly epsilon: number;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor({ width, epsilon = 1e-5, bias = true }: NormOptions) {
    super();
    this.epsilon = epsilon;
    this.weight = new Parameter([width], ones);
    this.bias = bias ? new Parameter([width], zeros) : undefined;
  }

  parts(): Record<string, Part> {
    return { weight: this.weight, bias: this.bias };
  }

  forward(x: Tensor | TensorLike): Tensor {
    return layerNorm(x, this.weight.tensor, this.bias?.tensor, this.epsilon);
  }
}

/** x/√(mean x² + ε)·weight: no mean is taken away. Zhang & Sennrich 2019 (arXiv:1910.07467). */
export class RMSNorm extends Module {
  readonly epsilon: number;
  readonly weight: Parameter;

  constructor({ width, epsilon = 1e-6 }: NormOptions) {
    super();
    this.epsilon = epsilon;
    this.weight = new Parameter([width], ones);
  }

  parts(): Record<string, Part> {
    return { weight: this.weight };
  }

  forward(x: Tensor | TensorLike): Tensor {
    return rmsNorm(x, this.weight.tensor, this.epsilon);
  }
}
