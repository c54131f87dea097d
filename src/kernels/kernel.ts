/**
 * @file The one interface between what is computed and who computes it.
 *
 * `Operations` are the forward operations everything above is written in: models, layers, attention. `Kernel` adds the
 * slope of each, the optimiser's step and memory. A maker (`reference/`, `wasm/`) implements `Kernel`; the recorder of
 * `autograd/` implements `Operations` over any kernel and plays the slopes backwards. All makers pass
 * `test/conformance`; `reference/` in float64 is the specification.
 *
 * Letters, used everywhere below:
 * B batch · H query heads · Hk key/value heads (H is a multiple of Hk; head h reads key head ⌊h·Hk/H⌋) · Lq, Lk query
 * and key lengths in tokens · D, Dv head sizes of q·k and of v · M rows · K inputs · N outputs of a matrix product.
 *
 * Every operation returns new numbers and leaves its arguments alone, except where its name says `InPlace`.
 */
import type { Tensor } from "../tensor/index.js";

/** Element-wise functions of one number. `gelu` is exact (erf), `geluTanh` the tanh form (GPT-2's `gelu_new`). */
export type Unary =
  | "relu" | "gelu" | "geluTanh" | "silu" | "tanh" | "sigmoid" | "erf"
  | "exp" | "log" | "sqrt" | "rsqrt" | "square" | "negate" | "reciprocal" | "cos" | "sin" | "abs"; // biome-ignore format: a table
/** What `linear` may apply to its result before the residual is added. */
export type Activation = "relu" | "gelu" | "geluTanh" | "silu" | "tanh";
/** Element-wise functions of two numbers, broadcast by NumPy's rule. */
export type Binary = "add" | "subtract" | "multiply" | "divide" | "maximum";

/**
 * An attention operand read where it lies: row i of head h of batch item b starts at
 * `offset + b·strides[0] + h·strides[1] + i·strides[2]`, in numbers, and is contiguous. So a fused projection
 * [B, L, 3·H·D] or a cache with room to grow is read, and a merged [B, L, H·Dv] written, without a copy.
 */
export interface Heads {
  tensor: Tensor;
  offset: number;
  strides: readonly [batch: number, head: number, row: number];
}

/** Bytes or floats over [B, H, Lq, Lk] read with strides in elements; 0 = the axis is broadcast. */
export interface Spread<A> {
  data: A;
  strides: readonly [batch: number, head: number, query: number, key: number];
}

/**
 * Who may attend to whom, reduced to what a kernel needs. A pair (b, h, i, j) may attend when *all* of these hold:
 *  - first[r] ≤ j < end[r], where r = i, or b·Lq + i when `perBatch`: causal corner, window, chunk, prefix, lengths,
 *    padding at either end and documents packed in order all become this one interval per query;
 *  - keyMask[b·keyMaskStride + j] ≠ 0;           padding in any other place
 *  - mask at (b, h, i, j) ≠ 0;                   the caller's own mask
 *  - documents.query[…] = documents.key[…];      packed documents out of order
 *  - the block (⌊i/size⌋, ⌊j/size⌋) is kept.     block-sparse patterns: dropped blocks are never read
 * A row with nothing left gives zeros and lse = −∞; a masked key or value is never read into the result, even if NaN.
 */
export interface AttentionRule {
  first: Int32Array; // [Lq] or [B, Lq]
  end: Int32Array; //   [Lq] or [B, Lq]
  perBatch: boolean;
  keyMask?: { data: Uint8Array; batchStride: number }; // [B, Lk] (batchStride = Lk) or [Lk] (0)
  mask?: Spread<Uint8Array>;
  documents?: { query: Int32Array; key: Int32Array; queryStride: number; keyStride: number }; // strides per batch item, 0 = shared
  blocks?: {
    data: Uint8Array;
    size: number;
    strides: readonly [batch: number, head: number, query: number, key: number];
  };
}

/**
 * One attention, fully described. The score of a pair that may attend is
 *     s = softcap(scale · q·k) + bias − slope·|p_i − j|      with softcap(x) = c·tanh(x/c), p_i = queryOffset + i
 * in this order; the softmax over keys takes `sinks[h]` as one more logit that has no value.
 */
export interface AttentionCall {
  batch: number;
  heads: number;
  keyHeads: number;
  queries: number;
  keys: number;
  headDim: number;
  valueDim: number;
  q: Heads;
  k: Heads;
  v: Heads;
  scale: number;
  rule: AttentionRule;
  softcap?: number;
  /**
   * Added to the scaled, capped score: number `offset + b·s0 + h·s1 + i·s2 + j·s3`. Strides may be 0 (broadcast) or
   * negative: a bias by distance needs only [H, Lq + Lk − 1] numbers, read with offset Lq − 1 and strides (0, Lq + Lk − 1, −1, 1).
   */
  bias?: {
    tensor: Tensor;
    offset: number;
    strides: readonly [batch: number, head: number, query: number, key: number];
  };
  alibi?: { slopes: Float32Array; queryOffset: number }; // slopes [H]
  sinks?: Tensor; // [H]
  dropout?: { rate: number; seed: number }; // which weights drop depends on (seed, b, h, i, j) only: see dropoutKeeps()
  /**
   * Last word on the score of a pair; −∞ masks it. A function cannot enter a compiled kernel: makers leave such calls
   * to the reference. Its slope is taken by central difference.
   */
  scoreMod?: (score: number, b: number, h: number, i: number, j: number) => number;
  /** Layout of the result; default contiguous [B, H, Lq, Dv]. `merged` = [B, Lq, H·Dv]. */
  outputLayout?: "heads" | "merged";
  /** Threads this call may use; default: the pool's size. */
  threads?: number;
}

/** Result of attention: output in the asked layout, and ln Σ e^s per row, [B, H, Lq] (−∞ for an empty row). */
export interface AttentionResult {
  output: Tensor;
  lse: Tensor;
}

/** Slopes with the layout of the operands: `q.offset`/`q.strides` of the call address `dq` too, likewise k and v. */
export interface AttentionSlopes {
  dq: Tensor; // size of call.q.tensor, zeros where q does not reach
  dk: Tensor;
  dv: Tensor;
  dBias?: Tensor; // shape of call.bias.tensor
  dSinks?: Tensor; // [H]
}

/**
 * Storage forms of a packed weight. `f32` is exact; `bf16`, `f16` and `int8` (a scale per row) trade exactness for bytes.
 * What is computed is the product with the rounded weight; for one or two rows × int8 a kernel may also round x to 16 bits
 * per 512 numbers: |error| ≤ Σ|w| · max|x| / 65534, some 500 times below that of int8 itself.
 */
export type WeightFormat = "f32" | "bf16" | "f16" | "int8";

/** A weight [N, K] laid out once for its kernel. Free it with `kernel.free`. */
export interface PackedWeight {
  readonly kind: "packed";
  readonly rows: number; // N
  readonly columns: number; // K
  readonly format: WeightFormat;
  readonly bytes: number;
}

/** A weight [N, K] whose rows are read when and where they are wanted: how a large one is packed without being held twice. */
export interface WeightRows {
  readonly shape: readonly number[];
  /** Writes rows [from, to) as float32 into `out`, which has (to − from)·K numbers and may lie in kernel memory. */
  read(from: number, to: number, out: Float32Array): void;
}

export interface LinearOptions {
  bias?: Tensor | undefined; // [N]
  activation?: Activation | undefined; // applied after the bias
  residual?: Tensor | undefined; // shape of the result, added last
}

export interface RotaryOptions {
  /** true: pairs (0,1), (2,3) …, as GPT-J; false: (i, i + n/2), as Llama. */
  interleaved: boolean;
  /** How many leading numbers of each row turn; the rest pass. Even; default: the row's length. */
  dim?: number;
}

/** What a step of a recurrent layer does; `tanh` and `relu` are the plain one. Gates of each: 1, 1, 4, 3. */
export type Cell = "tanh" | "relu" | "lstm" | "gru";

/**
 * One recurrent layer in one direction, with torch's gates in torch's order. x: what comes from the inputs, a = W_hh h + b_hh.
 *     tanh, relu   h' = f(x + a)
 *     lstm         i, f, o = σ(x + a)   g = tanh(x + a)     c' = f·c + i·g       h' = o·tanh(c')     order i f g o
 *     gru          r, z = σ(x + a)      n = tanh(x + r·a)   h' = (1 − z)·n + z·h                     order r z n
 * L steps · H hidden size · G gates. Hochreiter & Schmidhuber 1997; Gers et al. 2000; Cho et al. 2014 (arXiv:1406.1078).
 */
export interface RecurrentCall {
  cell: Cell;
  inputs: Tensor; // [B, L, G·H], W_ih x + b_ih of all steps at once
  weight: Tensor | PackedWeight; // W_hh [G·H, H]
  bias?: Tensor | undefined; // b_hh [G·H]
  h: Tensor; // before the first step, [B, H]
  c?: Tensor | undefined; // the same of an LSTM
  /** From the last step to the first. Default false. */
  reversed?: boolean;
}

export interface RecurrentResult {
  output: Tensor; // h after every step, [B, L, H]
  cells?: Tensor | undefined; // c after every step of an LSTM, [B, L, H]
  /** What the way back needs: i f g o of an LSTM; r z n and a's part of n of a GRU; [B, L, 4·H]. */
  gates?: Tensor | undefined;
}

export interface RecurrentSlopes {
  dInputs: Tensor;
  dWeight: Tensor;
  dBias: Tensor; // [G·H]
  dH: Tensor;
  dC?: Tensor | undefined;
}

/** The forward operations. Shapes: `…` is any number of leading axes; a result keeps them. */
export interface Operations {
  /** [M, K]·[K, N] → [M, N], or batched over equal leading axes (a 2-D operand is shared). `transposeA`: a is stored [K, M]; `transposeB`: b is stored [N, K]. */
  matmul(a: Tensor, b: Tensor, options?: { transposeA?: boolean; transposeB?: boolean; scale?: number }): Tensor;
  /** y = activation(x·Wᵀ + bias) + residual: x […, K], W [N, K] (torch's layout) → […, N]. */
  linear(x: Tensor, weight: Tensor | PackedWeight, options?: LinearOptions): Tensor;
  attention(call: AttentionCall): AttentionResult;
  recurrent(call: RecurrentCall): RecurrentResult;
  /** (x − mean)/√(variance + ε)·weight + bias over the last axis; variance is the biased one. Ba et al. 2016 (arXiv:1607.06450). */
  layerNorm(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, epsilon: number): Tensor;
  /** x/√(mean x² + ε)·weight over the last axis. Zhang & Sennrich 2019 (arXiv:1910.07467). */
  rmsNorm(x: Tensor, weight: Tensor | undefined, epsilon: number): Tensor;
  softmax(x: Tensor): Tensor; // over the last axis
  logSoftmax(x: Tensor): Tensor;
  /** Mean of −log p(label) over rows whose label is not `ignoreIndex` → [1]; NaN when every row is ignored, as torch. Logits [M, N]. */
  crossEntropy(logits: Tensor, labels: Int32Array, options: { ignoreIndex: number; labelSmoothing: number }): Tensor;
  unary(kind: Unary, x: Tensor): Tensor;
  binary(kind: Binary, a: Tensor, b: Tensor): Tensor;
  /** x·factor + shift */
  affine(x: Tensor, factor: number, shift?: number): Tensor;
  /** Over the named axes, which stay as 1. */
  reduce(kind: "sum" | "mean" | "max", x: Tensor, axes: readonly number[]): Tensor;
  /** Rows of table [V, N] → [ids.length, N]. */
  gather(table: Tensor, ids: Int32Array): Tensor;
  /** Turns pairs of numbers of each row of x [R, n] by the angles of table row `positions[r]`; cos, sin [P, dim/2]. */
  rotary(x: Tensor, cos: Tensor, sin: Tensor, positions: Int32Array, options: RotaryOptions): Tensor;
  permute(x: Tensor, axes: readonly number[]): Tensor;
  /** The part from ≤ index < to of one axis, copied. */
  slice(x: Tensor, axis: number, from: number, to: number): Tensor;
  concat(parts: readonly Tensor[], axis: number): Tensor;
  /** Same numbers, other shape. */
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  /** Kernel memory lives until the outermost scope that sees the tensor ends: see `Kernel.scope`. */
  scope<T>(body: () => T): T;
}

/** A maker: the operations, their slopes, the optimiser's step and memory. */
export interface Kernel extends Operations {
  /** "reference", "portable", "relaxed", "wide". */
  readonly name: string;
  /** What its tensors hold: the reference also comes in float64, whose `data` is a Float64Array. */
  readonly precision: "float32" | "float64";

  // Memory ---------------------------------------------------------------------------------------------------------
  /** Uninitialised numbers: in kernel memory inside a scope, an ordinary array outside one. */
  empty(shape: readonly number[]): Tensor;
  /** Kernel memory that no scope ends: for weights and caches. Give it back with `free`. */
  allocate(shape: readonly number[]): Tensor;
  free(owned: Tensor | PackedWeight): void;
  pack(weight: Tensor | WeightRows, format?: WeightFormat): PackedWeight;
  /** The weight a packed one stands for, [N, K] (rounded as its format rounds). */
  unpack(weight: PackedWeight): Tensor;
  /** Rows of a packed weight, [ids.length, K]: a word table that is an output layer too need not be held twice. */
  unpackRows(weight: PackedWeight, ids: Int32Array): Tensor;
  /** Bytes of kernel memory in use by tensors and weights; 0 where a kernel has no memory of its own. */
  readonly bytesInUse: number;

  // Attention ------------------------------------------------------------------------------------------------------
  /** Slopes by recomputation from q, k, lse: no Lq × Lk array. Dao et al. 2022 (arXiv:2205.14135) alg. 4. */
  attentionBackward(call: AttentionCall, saved: AttentionResult, dOutput: Tensor): AttentionSlopes;
  /**
   * P = e^(s − lse) for query rows [rows[0], rows[1]) and keys [columns[0], columns[1]) → [B, H, rows, columns]; masked
   * pairs are exactly 0. `lse` [B, H, Lq] comes from `attention`; without it it is computed for the rows asked for.
   */
  attentionWeights(
    call: Omit<AttentionCall, "v" | "valueDim">,
    rows: readonly [number, number],
    columns: readonly [number, number],
    lse?: Tensor,
  ): Tensor;

  // Slopes ---------------------------------------------------------------------------------------------------------
  layerNormBackward(
    x: Tensor,
    weight: Tensor | undefined,
    epsilon: number,
    dy: Tensor,
  ): { dx: Tensor; dWeight: Tensor; dBias: Tensor };
  rmsNormBackward(x: Tensor, weight: Tensor | undefined, epsilon: number, dy: Tensor): { dx: Tensor; dWeight: Tensor };
  /** From the result y, not from x. */
  softmaxBackward(y: Tensor, dy: Tensor): Tensor;
  logSoftmaxBackward(y: Tensor, dy: Tensor): Tensor;
  crossEntropyBackward(
    logits: Tensor,
    labels: Int32Array,
    options: { ignoreIndex: number; labelSmoothing: number },
    dLoss: number,
  ): Tensor;
  unaryBackward(kind: Unary, x: Tensor, dy: Tensor): Tensor;
  /** From the slopes of output and cells, either of which may be absent (= 0). */
  recurrentBackward(
    call: RecurrentCall,
    saved: RecurrentResult,
    dOutput: Tensor | undefined,
    dCells: Tensor | undefined,
  ): RecurrentSlopes;
  /** Adds rows of dy [ids.length, N] into a table of zeros [rows, N]. */
  scatterAdd(dy: Tensor, ids: Int32Array, rows: number): Tensor;

  // In place, for training -------------------------------------------------------------------------------------------
  /** target += source·factor, equal shapes. */
  addInPlace(target: Tensor, source: Tensor, factor?: number): void;
  scaleInPlace(target: Tensor, factor: number): void;
  sumOfSquares(x: Tensor): number;
  /** Loshchilov & Hutter 2019 (arXiv:1711.05101) alg. 2, torch's form: p −= lr·decay·p, then p −= lr·m̂/(√v̂ + ε). `step` counts from 1. */
  adamWInPlace(
    p: Tensor,
    gradient: Tensor,
    m: Tensor,
    v: Tensor,
    options: { learningRate: number; beta1: number; beta2: number; epsilon: number; weightDecay: number; step: number },
  ): void;
}
