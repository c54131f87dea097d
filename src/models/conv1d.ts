/**
 * @file GPT-2's `Conv1D`: a linear layer whose weight lies the other way round, [inputs, outputs].
 *
 * Checkpoints, gradients and the optimiser see the weight as the file has it; the kernel gets it the usual way round,
 * packed for inference, or turned in the graph (a copy a step) where gradients are wanted.
 */
import { ops } from "../kernels/current.js";
import type { Activation, Kernel, PackedWeight, WeightFormat, WeightRows } from "../kernels/kernel.js";
import { keepVariance, zeros } from "../nn/initialise.js";
import { Module, type Part } from "../nn/module.js";
import { Parameter } from "../nn/parameter.js";
import { type Tensor, tensor } from "../tensor/index.js";

/** A weight [inputs, outputs] that multiplies as [outputs, inputs]. */
export class TurnedParameter extends Parameter {
  /** The packed form, [outputs, inputs]; while it is held the numbers are not. */
  readonly #turned: Parameter;
  #isPacked = false;

  constructor(inputs: number, outputs: number) {
    super([inputs, outputs], keepVariance);
    this.#turned = new Parameter([outputs, inputs], keepVariance);
  }

  override get weight(): Tensor | PackedWeight {
    return this.#isPacked ? this.#turned.weight : ops().permute(this.tensor, [1, 0]);
  }

  override get tensor(): Tensor {
    if (this.#isPacked) this.set(this.copy());
    return super.tensor;
  }

  override copy(): Tensor {
    return this.#isPacked ? turn(this.#turned.copy()) : super.copy();
  }

  override set(value: Tensor, where?: string, name?: string): void {
    super.set(value, where, name);
    this.#isPacked = false;
    this.#turned.release();
  }

  override pack(format: WeightFormat = "f32"): void {
    this.#turned.set(turn(this.copy()));
    this.#turned.pack(format);
    this.release();
    this.#isPacked = true;
  }

  override packRows(rows: WeightRows, format: WeightFormat, where = "load", name = "weight"): void {
    this.requireShape(rows.shape, where, name);
    this.#turned.packRows(turnedRows(rows), format);
    this.release();
    this.#isPacked = true;
  }

  override setPacked(weight: PackedWeight, by?: Kernel): void {
    this.#turned.setPacked(weight, by);
    this.release();
    this.#isPacked = true;
  }

  override get form(): "none" | "numbers" | WeightFormat {
    return this.#isPacked ? this.#turned.form : super.form;
  }
}

/** [a, b] → [b, a] */
export function turn(x: Tensor): Tensor {
  const [rows, columns] = x.shape as [number, number];
  const out = new Float32Array(x.size);
  const { data } = x;
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return tensor(out, [columns, rows]);
}

/** [a, b] as rows of [b, a]. It is read whole when the first of them is wanted: one such matrix is small beside its model. */
export function turnedRows(rows: WeightRows): WeightRows {
  const [height, width] = rows.shape as [number, number];
  let data: Float32Array | undefined;
  return {
    shape: [width, height],
    read(from, to, out) {
      if (!data) rows.read(0, height, (data = new Float32Array(height * width)));
      for (let j = from, at = 0; j < to; j++) {
        for (let i = 0; i < height; i++) out[at++] = data[i * width + j]!;
      }
    },
  };
}

export class Conv1D extends Module {
  readonly weight: TurnedParameter;
  readonly bias: Parameter;

  constructor(inputs: number, outputs: number) {
    super();
    this.weight = new TurnedParameter(inputs, outputs);
    this.bias = new Parameter([outputs], zeros);
  }

  parts(): Record<string, Part> {
    return { weight: this.weight, bias: this.bias };
  }

  /** x […, inputs] → activation(x·W + b) + residual […, outputs] */
  forward(x: Tensor, options: { activation?: Activation; residual?: Tensor } = {}): Tensor {
    return ops().linear(x, this.weight.weight, { ...options, bias: this.bias.tensor });
  }
}
