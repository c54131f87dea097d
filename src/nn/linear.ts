/** @file y = x·Wᵀ + b, with torch's names and layout. */
import { ops } from "../kernels/current.js";
import type { Activation } from "../kernels/kernel.js";
import { asTensor, ShapeError, show, type Tensor, type TensorLike } from "../tensor/index.js";
import { type Initialiser, uniform } from "./initialise.js";
import { Module, type Part } from "./module.js";
import { Parameter } from "./parameter.js";

export interface LinearLayerOptions {
  inputs: number;
  outputs: number;
  /** Default true. */
  bias?: boolean;
  /** How the weight starts; default uniform in ±1/√inputs, torch's. */
  initialiser?: Initialiser;
}

export class Linear extends Module {
  readonly inputs: number;
  readonly outputs: number;
  /** [outputs, inputs]: numbers, or packed for a kernel. */
  readonly weight: Parameter;
  /** [outputs] */
  readonly bias: Parameter | undefined;

  constructor({ inputs, outputs, bias = true, initialiser = uniform() }: LinearLayerOptions) {
    super();
    this.inputs = inputs;
    this.outputs = outputs;
    this.weight = new Parameter([outputs, inputs], initialiser);
    this.bias = bias ? new Parameter([outputs], uniform(1 / Math.sqrt(inputs))) : undefined;
  }

  parts(): Record<string, Part> {
    return { weight: this.weight, bias: this.bias };
  }

  /**
   * @param x […, inputs]
   * @param options.activation applied after the bias   @param options.residual […, outputs], added last
   * @returns […, outputs]. Cost: 2·rows·inputs·outputs flop, in one pass over the result.
   */
  forward(x: Tensor | TensorLike, options: { activation?: Activation; residual?: Tensor } = {}): Tensor {
    const rows = asTensor(x, "Linear", "x");
    if (rows.shape.at(-1) !== this.inputs) {
      throw new ShapeError({
        where: "Linear",
        argument: "x",
        got: `has ${rows.shape.at(-1)} numbers a row in ${show(rows.shape)}`,
        expected: `${this.inputs}, the inputs of this layer`,
      });
    }
    return ops().linear(rows, this.weight.weight, { ...options, bias: this.bias?.tensor });
  }
}
