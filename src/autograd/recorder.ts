/**
 * @file The recorder: operations that remember how to go back.
 *
 * `Recorder` is one more maker of `Operations`. Each method has a kernel compute, and notes for every argument the slope
 * of the result with respect to it, right beside the forward it belongs to; `backward` plays the notes from the last to
 * the first. Everything above calls `ops()`, so a model written for inference is differentiable as it stands.
 *
 *     forward    x ──▶ [linear] ──▶ [softmax] ──▶ y            dy = ∂L/∂y, same shape as y
 *     tape       note 0: dx = dy·W …   note 1: …
 *     backward   dx ◀── note 0 ◀── note 1 ◀── dy               Griewank & Walther 2008, ch. 3: reverse accumulation
 *
 * Only what leads to a watched tensor is noted. Scopes inside the recording are not ended: the way back needs their numbers.
 */
import type {
  AttentionCall, AttentionResult, Binary, Kernel, LinearOptions, Operations, PackedWeight, RecurrentCall, RecurrentResult,
  RotaryOptions, Unary,
} from "../kernels/kernel.js"; // biome-ignore format: a list
import { ShapeError, show, type Tensor } from "../tensor/index.js";
import { attentionSlopes } from "./attention-slopes.js";
import { compare, expand, once, rowsOf, sumTo } from "./broadcast.js";
import { Gradients, keyOf, type SlicePart } from "./gradients.js";

/** The slope with respect to one argument, from the slope of the result; computed only when it is asked for. */
type Edge = readonly [from: Tensor | undefined, slope: (dy: Tensor) => Tensor | SlicePart];
/** The same for an operation with two results, of which either may be without use. */
type Edges = (
  d: readonly (Tensor | undefined)[],
) => readonly (readonly [Tensor | undefined, () => Tensor | SlicePart | undefined])[];

interface Note {
  results: readonly Tensor[];
  edges: Edges;
}

export class Recorder implements Operations {
  /** Who computes. */
  readonly kernel: Kernel;
  readonly #tape: Note[] = [];
  /** Numbers whose slope is wanted, or that were computed from such. */
  readonly #live = new Set<object>();

  constructor(kernel: Kernel, watched: Iterable<Tensor>) {
    this.kernel = kernel;
    for (const t of watched) this.#live.add(keyOf(t));
  }

  /**
   * Slopes of Σ ⟨result, d⟩ over the pairs given, with respect to everything watched. Iterative: the depth of a model
   * does not matter. A tensor that is used several times gets the sum.
   */
  backward(seeds: Iterable<readonly [result: Tensor, d: Tensor]>): Gradients {
    const gradients = new Gradients(this.kernel);
    for (const [result, d] of seeds) {
      if (d.size !== result.size) {
        throw new ShapeError({
          where: "gradient",
          argument: "dOut",
          got: `has shape ${show(d.shape)}`,
          expected: `${show(result.shape)}, the shape of the output`,
        });
      }
      if (this.#isLive(result)) gradients.add(result, d);
    }
    for (let n = this.#tape.length - 1; n >= 0; n--) {
      const { results, edges } = this.#tape[n]!;
      const d = results.map((r) => gradients.take(r));
      if (d.every((x) => x === undefined)) continue;
      for (const [from, slope] of edges(d)) {
        if (!this.#isLive(from)) continue;
        const part = slope();
        if (part && "part" in part) gradients.addSlice(from!, part);
        else if (part) gradients.add(from!, part);
      }
    }
    return gradients;
  }

  #isLive(t: Tensor | undefined): boolean {
    return t !== undefined && this.#live.has(keyOf(t));
  }

  /** Notes an operation with one result. A result that shares the numbers of its argument needs no note. */
  #note(y: Tensor, ...edges: Edge[]): Tensor {
    const sources = edges.map(([from]) => from);
    if (sources.some((from) => from && keyOf(from) === keyOf(y))) return y;
    this.#noteAll([y], sources, ([dy]) => edges.map(([from, slope]) => [from, () => slope(dy!)]));
    return y;
  }

  #noteAll(results: readonly Tensor[], sources: readonly (Tensor | undefined)[], edges: Edges): void {
    if (!sources.some((from) => this.#isLive(from))) return;
    for (const r of results) this.#live.add(keyOf(r));
    this.#tape.push({ results, edges });
  }

  // Products -----------------------------------------------------------------------------------------------------------

  matmul(a: Tensor, b: Tensor, options: { transposeA?: boolean; transposeB?: boolean; scale?: number } = {}): Tensor {
    const { transposeA = false, transposeB = false, scale = 1 } = options;
    const k = this.kernel;
    return this.#note(
      k.matmul(a, b, options), // C = s·A·B
      // dA = s·dC·Bᵀ, stored as A is
      [a, (dC) => sumTo(k, transposeA
        ? k.matmul(b, dC, { transposeA: transposeB, transposeB: true, scale })
        : k.matmul(dC, b, { transposeB: !transposeB, scale }), a.shape)],
      // dB = s·Aᵀ·dC, stored as B is
      [b, (dC) => sumTo(k, transposeB
        ? k.matmul(dC, a, { transposeA: true, transposeB: transposeA, scale })
        : k.matmul(a, dC, { transposeA: !transposeA, scale }), b.shape)],
    ); // biome-ignore format: the two slopes side by side
  }

  linear(x: Tensor, weight: Tensor | PackedWeight, { bias, activation, residual }: LinearOptions = {}): Tensor {
    const k = this.kernel;
    const W = "kind" in weight ? undefined : weight;
    if (![x, W, bias, residual].some((t) => this.#isLive(t))) {
      return k.linear(x, weight, { bias, activation, residual });
    }
    if (activation) {
      const y = this.unary(activation, this.linear(x, weight, { bias }));
      return residual ? this.binary("add", y, residual) : y;
    }
    return this.#note(
      k.linear(x, weight, { bias, residual }), // y = x·Wᵀ + b + r
      [x, (dy) => k.matmul(rowsOf(dy), W ?? k.unpack(weight as PackedWeight)).reshape(x.shape)],
      [W, (dy) => k.matmul(rowsOf(dy), rowsOf(x), { transposeA: true })],
      [bias, (dy) => k.reduce("sum", rowsOf(dy), [0])],
      [residual, (dy) => dy],
    );
  }

  attention(call: AttentionCall): AttentionResult {
    const k = this.kernel;
    const result = k.attention(call);
    const { q, v, bias, sinks } = call;
    const sources = [q.tensor, call.k.tensor, v.tensor, bias?.tensor, sinks];
    this.#noteAll([result.output, result.lse], sources, ([dOutput, dLse]) => {
      const slopes = attentionSlopes(k, call, result, dOutput, dLse); // q, k and v may be parts of one tensor: they add up
      return sources.map((from, n) => [from, () => slopes[n]] as const);
    });
    return result;
  }

  recurrent(call: RecurrentCall): RecurrentResult {
    const k = this.kernel;
    const result = k.recurrent(call);
    const { inputs, weight, bias, h, c } = call;
    const W = "kind" in weight ? undefined : weight;
    const results = result.cells ? [result.output, result.cells] : [result.output];
    this.#noteAll(results, [inputs, W, bias, h, c], ([dOutput, dCells]) => {
      const back = once(() => k.recurrentBackward(call, result, dOutput, dCells));
      return [
        [inputs, () => back(0).dInputs],
        [W, () => back(0).dWeight],
        [bias, () => back(0).dBias],
        [h, () => back(0).dH],
        [c, () => back(0).dC],
      ];
    });
    return result;
  }

  // Norms, softmax, loss -----------------------------------------------------------------------------------------------

  layerNorm(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, epsilon: number): Tensor {
    const k = this.kernel;
    const back = once((dy: Tensor) => k.layerNormBackward(x, weight, epsilon, dy));
    return this.#note(
      k.layerNorm(x, weight, bias, epsilon),
      [x, (dy) => back(dy).dx],
      [weight, (dy) => back(dy).dWeight],
      [bias, (dy) => back(dy).dBias],
    );
  }

  rmsNorm(x: Tensor, weight: Tensor | undefined, epsilon: number): Tensor {
    const k = this.kernel;
    const back = once((dy: Tensor) => k.rmsNormBackward(x, weight, epsilon, dy));
    return this.#note(k.rmsNorm(x, weight, epsilon), [x, (dy) => back(dy).dx], [weight, (dy) => back(dy).dWeight]);
  }

  softmax(x: Tensor): Tensor {
    const y = this.kernel.softmax(x);
    return this.#note(y, [x, (dy) => this.kernel.softmaxBackward(y, dy)]);
  }

  logSoftmax(x: Tensor): Tensor {
    const y = this.kernel.logSoftmax(x);
    return this.#note(y, [x, (dy) => this.kernel.logSoftmaxBackward(y, dy)]);
  }

  crossEntropy(logits: Tensor, labels: Int32Array, options: { ignoreIndex: number; labelSmoothing: number }): Tensor {
    const k = this.kernel;
    return this.#note(
      k.crossEntropy(logits, labels, options), // [1]
      [logits, (dLoss) => k.crossEntropyBackward(logits, labels, options, dLoss.data[0]!)],
    );
  }

  // Element by element ---------------------------------------------------------------------------------------------------

  unary(kind: Unary, x: Tensor): Tensor {
    return this.#note(this.kernel.unary(kind, x), [x, (dy) => this.kernel.unaryBackward(kind, x, dy)]);
  }

  binary(kind: Binary, a: Tensor, b: Tensor): Tensor {
    const k = this.kernel;
    const times = (dy: Tensor, factor: Tensor): Tensor => k.binary("multiply", dy, factor);
    const slopes: Record<Binary, readonly [(dy: Tensor) => Tensor, (dy: Tensor) => Tensor]> = {
      add: [(dy) => dy, (dy) => dy],
      subtract: [(dy) => dy, (dy) => k.affine(dy, -1)],
      multiply: [(dy) => times(dy, b), (dy) => times(dy, a)],
      divide: [(dy) => k.binary("divide", dy, b), (dy) => k.affine(k.binary("divide", times(dy, a), times(b, b)), -1)],
      // where the two are equal, half to each: what torch does
      maximum: [(dy) => times(dy, compare(k, a, b, larger)), (dy) => times(dy, compare(k, b, a, larger))],
    };
    const [da, db] = slopes[kind];
    return this.#note(
      k.binary(kind, a, b),
      [a, (dy) => sumTo(k, da(dy), a.shape)],
      [b, (dy) => sumTo(k, db(dy), b.shape)],
    );
  }

  affine(x: Tensor, factor: number, shift?: number): Tensor {
    return this.#note(this.kernel.affine(x, factor, shift), [x, (dy) => this.kernel.affine(dy, factor)]);
  }

  reduce(kind: "sum" | "mean" | "max", x: Tensor, axes: readonly number[]): Tensor {
    const k = this.kernel;
    const y = k.reduce(kind, x, axes);
    const count = y.size === 0 ? 1 : x.size / y.size;
    const share = (dy: Tensor): Tensor => {
      const winners = compare(k, x, y, (a, b) => (a === b ? 1 : 0)); // several equal ones share, as torch's amax
      return k.binary("multiply", winners, k.binary("divide", dy, k.reduce("sum", winners, axes)));
    };
    const slope = {
      sum: (dy: Tensor) => expand(k, dy, x.shape),
      mean: (dy: Tensor) => expand(k, k.affine(dy, 1 / count), x.shape),
      max: share,
    };
    return this.#note(y, [x, slope[kind]]);
  }

  // Moving numbers -------------------------------------------------------------------------------------------------------

  gather(table: Tensor, ids: Int32Array): Tensor {
    return this.#note(this.kernel.gather(table, ids), [
      table,
      (dy) => this.kernel.scatterAdd(dy, ids, table.shape[0]!),
    ]);
  }

  rotary(x: Tensor, cos: Tensor, sin: Tensor, positions: Int32Array, options: RotaryOptions): Tensor {
    const k = this.kernel;
    const back = (dy: Tensor): Tensor => k.rotary(dy, cos, k.unary("negate", sin), positions, options); // Rᵀ = R(−θ)
    return this.#note(k.rotary(x, cos, sin, positions, options), [x, back]);
  }

  permute(x: Tensor, axes: readonly number[]): Tensor {
    const inverse = axes.map((_, axis) => axes.indexOf(axis));
    return this.#note(this.kernel.permute(x, axes), [x, (dy) => this.kernel.permute(dy, inverse)]);
  }

  slice(x: Tensor, axis: number, from: number, to: number): Tensor {
    return this.#note(this.kernel.slice(x, axis, from, to), [x, (part) => ({ part, axis, from })]);
  }

  concat(parts: readonly Tensor[], axis: number): Tensor {
    let at = 0;
    const edges = parts.map((part): Edge => {
      const from = at;
      at += part.shape[axis]!;
      return [part, (dy) => this.kernel.slice(dy, axis, from, from + part.shape[axis]!)];
    });
    return this.#note(this.kernel.concat(parts, axis), ...edges);
  }

  reshape(x: Tensor, shape: readonly number[]): Tensor {
    return this.#note(this.kernel.reshape(x, shape), [x, (dy) => dy]);
  }

  scope<T>(body: () => T): T {
    return body();
  }
}

const larger = (a: number, b: number): number => (a > b ? 1 : a === b ? 0.5 : 0);
