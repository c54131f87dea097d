/**
 * @file The kernel of every day: AssemblyScript compiled to WebAssembly SIMD, in linear memory of its own.
 *
 * It extends the reference, which does what is not accelerated (moves of numbers, broadcasts and sums over axes that are not
 * rows or columns, score functions), on the same memory. Builds: `portable` runs everywhere, `relaxed` needs relaxed SIMD, `wide` V8's 256-bit pass.
 */
import { sizeOf, Tensor } from "../../tensor/index.js";
import type {
  AttentionCall,
  AttentionResult,
  AttentionSlopes,
  Binary,
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
import { ReferenceKernel } from "../reference/reference-kernel.js";
import { attention } from "./attention.js";
import { attentionBackward } from "./attention-backward.js";
import { attentionWeights } from "./attention-weights.js";
import * as each from "./elementwise.js";
import type { Build } from "./load.js";
import { KernelStorage } from "./memory.js";
import { linear, matmul, type MatmulOptions } from "./products.js";
import { recurrent, recurrentBackward } from "./recurrent.js";
import * as rows from "./rows.js";
import { packWeight, unpackRows, unpackWeight, type WasmWeight } from "./weights.js";
import { Workspace } from "./workspace.js";

export class WasmKernel extends ReferenceKernel {
  override readonly name: string;
  protected readonly workspace: Workspace;
  /** Gives memory back when an owner was forgotten rather than freed. */
  private readonly net: FinalizationRegistry<number>;

  constructor(build: Build) {
    super("float32");
    this.name = build;
    this.workspace = new Workspace(build);
    const { memory } = this.workspace;
    this.net = new FinalizationRegistry((address) => memory.release(address));
  }

  /** Threads an operation may use, the calling one among them; default QKV_THREADS, else the processors there are. */
  get threads(): number {
    return this.workspace.pool.threads;
  }
  set threads(count: number) {
    this.workspace.pool.threads = count;
  }
  /** Threads that have started, the calling one among them. */
  get ready(): number {
    return this.workspace.pool.ready;
  }
  /** Ends the worker threads now rather than with the process; the next large operation starts new ones. */
  dispose(): void {
    this.workspace.pool.dispose();
  }

  // Memory -----------------------------------------------------------------------------------------------------------
  override empty(shape: readonly number[]): Tensor {
    return this.workspace.empty(shape);
  }
  override allocate(shape: readonly number[]): Tensor {
    return new Tensor(this.own(sizeOf(shape)), [...shape]);
  }
  override free(owned: Tensor | PackedWeight): void {
    const { storage } = owned as Tensor | WasmWeight;
    if (!(storage instanceof KernelStorage)) return;
    this.net.unregister(storage);
    storage.release();
  }
  override get bytesInUse(): number {
    return this.workspace.memory.bytesInUse;
  }
  /** Bytes of the kernel's memory, used or free: it grows to the most that was ever needed at once, and stays. */
  get capacity(): number {
    return this.workspace.memory.capacity;
  }
  override scope<T>(body: () => T): T {
    return this.workspace.scopes.run(body);
  }
  override pack(weight: Tensor | WeightRows, format: WeightFormat = "f32"): PackedWeight {
    return packWeight(this.workspace, (length) => this.own(length), weight, format);
  }
  override unpackRows(weight: PackedWeight, ids: Int32Array): Tensor {
    return unpackRows(this.workspace, weight as WasmWeight, ids);
  }
  override unpack(weight: PackedWeight): Tensor {
    return unpackWeight(this.workspace, weight as WasmWeight);
  }
  private own(length: number): KernelStorage {
    const storage = new KernelStorage(this.workspace.memory, length);
    this.net.register(storage, storage.address, storage);
    return storage;
  }

  // Attention and products -------------------------------------------------------------------------------------------
  override attention(call: AttentionCall): AttentionResult {
    if (call.scoreMod) return super.attention(call);
    return attention(this.workspace, call);
  }
  override attentionBackward(call: AttentionCall, saved: AttentionResult, dOutput: Tensor): AttentionSlopes {
    if (call.scoreMod) return super.attentionBackward(call, saved, dOutput);
    return attentionBackward(this.workspace, call, saved, dOutput);
  }
  override attentionWeights(
    call: Omit<AttentionCall, "v" | "valueDim">,
    rows: readonly [number, number],
    columns: readonly [number, number],
    lse?: Tensor,
  ): Tensor {
    if (call.scoreMod) return super.attentionWeights(call, rows, columns, lse);
    return attentionWeights(this.workspace, call, rows, columns, lse);
  }
  override matmul(a: Tensor, b: Tensor, options?: MatmulOptions): Tensor {
    return matmul(this.workspace, a, b, options);
  }
  override linear(x: Tensor, weight: Tensor | PackedWeight, options?: LinearOptions): Tensor {
    return linear(this.workspace, x, weight as Tensor | WasmWeight, options);
  }

  override recurrent(call: RecurrentCall): RecurrentResult {
    return recurrent(this.workspace, { ...call, weight: this.multiplied(call.weight) });
  }
  override recurrentBackward(
    call: RecurrentCall,
    saved: RecurrentResult,
    dOutput: Tensor | undefined,
    dCells: Tensor | undefined,
  ): RecurrentSlopes {
    const weight = "kind" in call.weight ? this.unpack(call.weight) : call.weight;
    return recurrentBackward(this.workspace, { ...call, weight }, saved, dOutput, dCells);
  }
  /** A weight in float32, packed or not. */
  private multiplied(weight: Tensor | PackedWeight): Tensor | PackedWeight {
    return "kind" in weight && weight.format !== "f32" ? this.unpack(weight) : weight;
  }

  // Rows -------------------------------------------------------------------------------------------------------------
  override layerNorm(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, epsilon: number): Tensor {
    return rows.norm(this.workspace, "layerNorm", x, weight, bias, epsilon);
  }
  override rmsNorm(x: Tensor, weight: Tensor | undefined, epsilon: number): Tensor {
    return rows.norm(this.workspace, "rmsNorm", x, weight, undefined, epsilon);
  }
  override layerNormBackward(
    x: Tensor,
    weight: Tensor | undefined,
    epsilon: number,
    dy: Tensor,
  ): { dx: Tensor; dWeight: Tensor; dBias: Tensor } {
    return (
      rows.layerNormBackward(this.workspace, x, weight, epsilon, dy) ?? super.layerNormBackward(x, weight, epsilon, dy)
    );
  }
  override rmsNormBackward(
    x: Tensor,
    weight: Tensor | undefined,
    epsilon: number,
    dy: Tensor,
  ): { dx: Tensor; dWeight: Tensor } {
    const slopes = rows.rmsNormBackward(this.workspace, x, weight, epsilon, dy);
    return slopes ? { dx: slopes.dx, dWeight: slopes.dWeight } : super.rmsNormBackward(x, weight, epsilon, dy);
  }
  override softmax(x: Tensor): Tensor {
    return rows.alongRows(this.workspace, "softmax", x);
  }
  override logSoftmax(x: Tensor): Tensor {
    return rows.alongRows(this.workspace, "logSoftmax", x);
  }
  override softmaxBackward(y: Tensor, dy: Tensor): Tensor {
    return rows.alongRowsBackward(this.workspace, "softmax", y, dy);
  }
  override logSoftmaxBackward(y: Tensor, dy: Tensor): Tensor {
    return rows.alongRowsBackward(this.workspace, "logSoftmax", y, dy);
  }
  override crossEntropy(logits: Tensor, labels: Int32Array, options: rows.LossOptions): Tensor {
    return rows.crossEntropy(this.workspace, logits, labels, options);
  }
  override crossEntropyBackward(logits: Tensor, labels: Int32Array, options: rows.LossOptions, dLoss: number): Tensor {
    return rows.crossEntropyBackward(this.workspace, logits, labels, options, dLoss);
  }
  override scatterAdd(dy: Tensor, ids: Int32Array, count: number): Tensor {
    return rows.scatterAdd(this.workspace, dy, ids, count);
  }
  override rotary(x: Tensor, cos: Tensor, sin: Tensor, positions: Int32Array, options: RotaryOptions): Tensor {
    return (
      rows.rotary(this.workspace, x, cos, sin, positions, options) ?? super.rotary(x, cos, sin, positions, options)
    );
  }
  override reduce(kind: "sum" | "mean" | "max", x: Tensor, axes: readonly number[]): Tensor {
    return rows.sumLeading(this.workspace, kind, x, axes) ?? super.reduce(kind, x, axes);
  }

  // Element by element -----------------------------------------------------------------------------------------------
  override unary(kind: Unary, x: Tensor): Tensor {
    return each.unary(this.workspace, kind, x);
  }
  override unaryBackward(kind: Unary, x: Tensor, dy: Tensor): Tensor {
    return each.unaryBackward(this.workspace, kind, x, dy);
  }
  override binary(kind: Binary, a: Tensor, b: Tensor): Tensor {
    return each.binary(this.workspace, kind, a, b) ?? super.binary(kind, a, b);
  }
  override affine(x: Tensor, factor: number, shift = 0): Tensor {
    return each.affine(this.workspace, x, factor, shift);
  }

  // Training ---------------------------------------------------------------------------------------------------------
  override addInPlace(target: Tensor, source: Tensor, factor = 1): void {
    each.addInPlace(this.workspace, target, source, factor);
  }
  override scaleInPlace(target: Tensor, factor: number): void {
    each.scaleInPlace(this.workspace, target, factor);
  }
  override sumOfSquares(x: Tensor): number {
    return each.sumOfSquares(this.workspace, x);
  }
  override adamWInPlace(p: Tensor, gradient: Tensor, m: Tensor, v: Tensor, options: each.AdamWStep): void {
    each.adamWInPlace(this.workspace, p, gradient, m, v, options);
  }
}
