/**
 * @file The specification: every operation in plain loops, in float64, as the equation says.
 *
 * Results are rounded once, when they are stored: to float32, or not at all in float64. Another maker extends
 * `ReferenceKernel`, gives results a place of its own by overriding `empty`, and overrides what it does faster; every
 * operation here asks `this.empty` for its result and reads its operands only after that.
 */
import type { Tensor } from "../../tensor/index.js";
import type {
  AttentionCall,
  AttentionResult,
  AttentionSlopes,
  Binary,
  Kernel,
  LinearOptions,
  PackedWeight,
  RecurrentCall,
  RecurrentResult,
  RecurrentSlopes,
  RotaryOptions,
  Unary,
  WeightFormat,
  WeightRows,
} from "../kernel.js";
import { type Allocate, ordinary } from "./allocate.js";
import * as attend from "./attention.js";
import { attentionBackward } from "./attention-backward.js";
import * as each from "./elementwise.js";
import * as training from "./in-place.js";
import * as lookup from "./lookup.js";
import * as loss from "./loss.js";
import * as product from "./matmul.js";
import * as move from "./move.js";
import * as norms from "./norms.js";
import { pack, type ReferenceWeight } from "./packed.js";
import { reduce } from "./reduce.js";
import type { ScoredCall } from "./scores.js";
import * as steps from "./recurrent.js";
import * as softmaxes from "./softmax.js";

/** The reference kernel. float64 is what others are measured against; float32 rounds results to what tensors hold. */
export function referenceKernel(options: { precision?: "float64" | "float32" } = {}): ReferenceKernel {
  return new ReferenceKernel(options.precision ?? "float32");
}

export class ReferenceKernel implements Kernel {
  readonly name: string = "reference";
  readonly precision: "float32" | "float64";
  /** `empty` as a function, for the operations. Bound late, so an override is found. */
  protected readonly place: Allocate = (shape) => this.empty(shape);
  private readonly ordinary: Allocate;

  constructor(precision: "float32" | "float64" = "float32") {
    this.precision = precision;
    this.ordinary = ordinary(precision);
  }

  // Memory: the garbage collector's ----------------------------------------------------------------------------------
  empty(shape: readonly number[]): Tensor {
    return this.ordinary(shape);
  }
  allocate(shape: readonly number[]): Tensor {
    return this.ordinary(shape);
  }
  free(_owned: Tensor | PackedWeight): void {}
  get bytesInUse(): number {
    return 0;
  }
  scope<T>(body: () => T): T {
    return body();
  }
  pack(weight: Tensor | WeightRows, format: WeightFormat = "f32"): PackedWeight {
    return pack(this.ordinary, weight, format);
  }
  unpack(weight: PackedWeight): Tensor {
    return (weight as ReferenceWeight).values;
  }
  unpackRows(weight: PackedWeight, ids: Int32Array): Tensor {
    return this.gather(this.unpack(weight), ids);
  }

  // Attention --------------------------------------------------------------------------------------------------------
  attention(call: AttentionCall): AttentionResult {
    return attend.attention(this.place, call);
  }
  attentionBackward(call: AttentionCall, _saved: AttentionResult, dOutput: Tensor): AttentionSlopes {
    return attentionBackward(this.place, call, dOutput); // the softmax is rebuilt in float64, so lse is not needed
  }
  attentionWeights(
    call: ScoredCall,
    rows: readonly [number, number],
    columns: readonly [number, number],
    lse?: Tensor,
  ): Tensor {
    return attend.attentionWeights(this.place, call, rows, columns, lse);
  }

  // Products -----------------------------------------------------------------------------------------------------------
  matmul(a: Tensor, b: Tensor, options?: product.MatmulOptions): Tensor {
    return product.matmul(this.place, a, b, options);
  }
  linear(x: Tensor, weight: Tensor | PackedWeight, options?: LinearOptions): Tensor {
    return product.linear(this.place, x, this.numbersOf(weight), options);
  }
  private numbersOf(weight: Tensor | PackedWeight): Tensor {
    return "kind" in weight ? this.unpack(weight) : weight;
  }

  // Recurrent layers ---------------------------------------------------------------------------------------------------
  recurrent(call: RecurrentCall): RecurrentResult {
    return steps.recurrent(this.place, { ...call, weight: this.numbersOf(call.weight) });
  }
  recurrentBackward(
    call: RecurrentCall,
    saved: RecurrentResult,
    dOutput: Tensor | undefined,
    dCells: Tensor | undefined,
  ): RecurrentSlopes {
    const plain = { ...call, weight: this.numbersOf(call.weight) };
    return steps.recurrentBackward(this.place, plain, saved, dOutput, dCells);
  }

  // Norms, softmax, loss -----------------------------------------------------------------------------------------------
  layerNorm(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, epsilon: number): Tensor {
    return norms.layerNorm(this.place, x, weight, bias, epsilon);
  }
  layerNormBackward(
    x: Tensor,
    weight: Tensor | undefined,
    epsilon: number,
    dy: Tensor,
  ): { dx: Tensor; dWeight: Tensor; dBias: Tensor } {
    return norms.layerNormBackward(this.place, x, weight, epsilon, dy);
  }
  rmsNorm(x: Tensor, weight: Tensor | undefined, epsilon: number): Tensor {
    return norms.rmsNorm(this.place, x, weight, epsilon);
  }
  rmsNormBackward(x: Tensor, weight: Tensor | undefined, epsilon: number, dy: Tensor): { dx: Tensor; dWeight: Tensor } {
    return norms.rmsNormBackward(this.place, x, weight, epsilon, dy);
  }
  softmax(x: Tensor): Tensor {
    return softmaxes.softmax(this.place, x);
  }
  softmaxBackward(y: Tensor, dy: Tensor): Tensor {
    return softmaxes.softmaxBackward(this.place, y, dy);
  }
  logSoftmax(x: Tensor): Tensor {
    return softmaxes.logSoftmax(this.place, x);
  }
  logSoftmaxBackward(y: Tensor, dy: Tensor): Tensor {
    return softmaxes.logSoftmaxBackward(this.place, y, dy);
  }
  crossEntropy(logits: Tensor, labels: Int32Array, options: loss.LossOptions): Tensor {
    return loss.crossEntropy(this.place, logits, labels, options);
  }
  crossEntropyBackward(logits: Tensor, labels: Int32Array, options: loss.LossOptions, dLoss: number): Tensor {
    return loss.crossEntropyBackward(this.place, logits, labels, options, dLoss);
  }

  // Element by element ---------------------------------------------------------------------------------------------------
  unary(kind: Unary, x: Tensor): Tensor {
    return each.unary(this.place, kind, x);
  }
  unaryBackward(kind: Unary, x: Tensor, dy: Tensor): Tensor {
    return each.unaryBackward(this.place, kind, x, dy);
  }
  binary(kind: Binary, a: Tensor, b: Tensor): Tensor {
    return each.binary(this.place, kind, a, b);
  }
  affine(x: Tensor, factor: number, shift?: number): Tensor {
    return each.affine(this.place, x, factor, shift);
  }
  reduce(kind: "sum" | "mean" | "max", x: Tensor, axes: readonly number[]): Tensor {
    return reduce(this.place, kind, x, axes);
  }

  // Moves and lookups ------------------------------------------------------------------------------------------------------
  gather(table: Tensor, ids: Int32Array): Tensor {
    return lookup.gather(this.place, table, ids);
  }
  scatterAdd(dy: Tensor, ids: Int32Array, rows: number): Tensor {
    return lookup.scatterAdd(this.place, dy, ids, rows);
  }
  rotary(x: Tensor, cos: Tensor, sin: Tensor, positions: Int32Array, options: RotaryOptions): Tensor {
    return lookup.rotary(this.place, x, cos, sin, positions, options);
  }
  permute(x: Tensor, axes: readonly number[]): Tensor {
    return move.permute(this.place, x, axes);
  }
  slice(x: Tensor, axis: number, from: number, to: number): Tensor {
    return move.slice(this.place, x, axis, from, to);
  }
  concat(parts: readonly Tensor[], axis: number): Tensor {
    return move.concat(this.place, parts, axis);
  }
  reshape(x: Tensor, shape: readonly number[]): Tensor {
    return x.reshape(shape);
  }

  // Training ---------------------------------------------------------------------------------------------------------------
  addInPlace(target: Tensor, source: Tensor, factor?: number): void {
    training.addInPlace(target, source, factor);
  }
  scaleInPlace(target: Tensor, factor: number): void {
    training.scaleInPlace(target, factor);
  }
  sumOfSquares(x: Tensor): number {
    return training.sumOfSquares(x);
  }
  adamWInPlace(p: Tensor, gradient: Tensor, m: Tensor, v: Tensor, options: training.AdamWStep): void {
    training.adamWInPlace(p, gradient, m, v, options);
  }
}
