/**
 * @file Counting instead of computing: operations that add up what they would do and hand back empty tensors of the
 * right shape. A mechanism's cost is what its own code asks of them, so the count cannot drift from the code.
 */
import { withOperations } from "../../kernels/current.js";
import type { AttentionCall, Operations, PackedWeight, RecurrentCall, RecurrentResult } from "../../kernels/kernel.js";
import { broadcastShapes, sizeOf, Tensor } from "../../tensor/index.js";
import { warn } from "../warnings.js";
import { countPairs } from "./pairs.js";

/** What a call asks of the machine. */
export interface Cost {
  /** Products added up in matrix products and in attention (q·k and weight·v); 2 flop each. */
  multiplyAdds: number;
  /** Query–key pairs that are scored, over all heads: each costs an exponential and D + Dv multiply-adds. */
  pairs: number;
  /** Results of element-wise operations, norms, softmaxes and sums. */
  elementwise: number;
  /** What the operations must at least read and write, once each, at 4 bytes a number. */
  bytes: number;
  /** Bytes of intermediate results, were none of them given back before the end. */
  memory: number;
  /** Set where a length was padded: "length 45 is padded to 48, a multiple of blockSize 4". */
  notes: string[];
}

/** Lengths in tokens; [B, H, L, D] says the same for self-attention. */
export type CostShape =
  | readonly [batch: number, heads: number, length: number, headDim: number]
  | {
      batch?: number;
      heads?: number;
      keyHeads?: number;
      length: number;
      keyLength?: number;
      headDim?: number;
      valueDim?: number;
    };

/** A shape whose numbers are made, as zeros, only when somebody looks. */
export function phantom(shape: readonly number[]): Tensor {
  let array: Float32Array | undefined;
  return new Tensor({ get array() { return (array ??= new Float32Array(sizeOf(shape))); } }, shape); // biome-ignore format: one line
}

let notes: string[] | undefined;

/** @internal Heard while a cost is counted: "length 300 is padded to 306, a multiple of stride 18". */
export function note(text: string): void {
  notes?.push(text);
}

/** @internal An adjustment that the caller should know of: also a warning when it is not only counted. */
export function adjusted(where: string, length: number, to: number, block: string): void {
  if (notes) notes.push(`length ${length} is padded to ${to}, a multiple of ${block}`);
  else
    warn({
      where,
      argument: "q",
      got: `has length ${length}, no multiple of ${block}; it is padded to ${to} with absent keys`,
    });
}

/** @internal Runs `call` on phantoms of a shape and returns what was counted. */
export function countCost<O>(
  call: (q: Tensor, k: Tensor, v: Tensor, options?: O) => unknown,
  shape: CostShape,
  options?: O,
): Cost {
  const [lengths, beside] = readShape(shape);
  const { batch, heads, keyHeads, length, keyLength, headDim, valueDim } = lengths;
  const q = phantom([batch, heads, length, headDim]);
  // Hashed mechanisms want one tensor for q and k, and cannot tell two phantoms of zeros apart.
  const k = keyHeads === heads && keyLength === length ? q : phantom([batch, keyHeads, keyLength, headDim]);
  const v = phantom([batch, keyHeads, keyLength, valueDim]);
  const tally = new Counter();
  const before = notes;
  notes = tally.cost.notes;
  try {
    withOperations(tally, () => call(q, k, v, { ...beside, ...options } as O));
  } finally {
    notes = before;
  }
  tally.cost.memory -= 4 * batch * heads * length * valueDim; // the result itself is not scratch
  return tally.cost;
}

function readShape(shape: CostShape) {
  if (Array.isArray(shape)) {
    const [batch, heads, length, headDim] = shape as unknown as readonly [number, number, number, number];
    return [{ batch, heads, keyHeads: heads, length, keyLength: length, headDim, valueDim: headDim }, {}] as const;
  }
  const { batch = 1, heads = 1, keyHeads = heads, length, keyLength = length, headDim = 64, valueDim = headDim, ...beside } =
    shape as Exclude<CostShape, readonly number[]>; // biome-ignore format: one line a thought
  return [{ batch, heads, keyHeads, length, keyLength, headDim, valueDim }, beside] as const;
}

/** Operations that count. */
export class Counter implements Operations {
  readonly cost: Cost = { multiplyAdds: 0, pairs: 0, elementwise: 0, bytes: 0, memory: 0, notes: [] };

  private moved(inputs: readonly (Tensor | PackedWeight | undefined)[], shape: readonly number[]): Tensor {
    for (const x of inputs) {
      if (x === undefined) continue;
      this.cost.bytes += x instanceof Tensor ? 4 * x.size : x.bytes;
    }
    return this.made(shape);
  }

  private made(shape: readonly number[]): Tensor {
    this.cost.bytes += 4 * sizeOf(shape);
    this.cost.memory += 4 * sizeOf(shape);
    return phantom(shape);
  }

  private each(inputs: readonly (Tensor | undefined)[], shape: readonly number[]): Tensor {
    this.cost.elementwise += sizeOf(shape);
    return this.moved(inputs, shape);
  }

  matmul(a: Tensor, b: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
    const [m, k] = options.transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
    const n = options.transposeB ? b.shape.at(-2)! : b.shape.at(-1)!;
    const lead = a.shape.length >= b.shape.length ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
    this.cost.multiplyAdds += sizeOf(lead) * m * k * n;
    return this.moved([a, b], [...lead, m, n]);
  }

  linear(
    x: Tensor,
    weight: Tensor | PackedWeight,
    options: { bias?: Tensor | undefined; residual?: Tensor | undefined } = {},
  ): Tensor {
    const rows = weight instanceof Tensor ? weight.shape[0]! : weight.rows;
    this.cost.multiplyAdds += x.size * rows;
    return this.moved([x, weight, options.bias, options.residual], [...x.shape.slice(0, -1), rows]);
  }

  attention(call: AttentionCall): { output: Tensor; lse: Tensor } {
    const { batch, heads, keyHeads, queries, keys, headDim, valueDim } = call;
    const pairs = countPairs(call);
    this.cost.pairs += pairs;
    this.cost.multiplyAdds += pairs * (headDim + valueDim);
    this.cost.bytes += 4 * batch * (heads * queries * headDim + keyHeads * keys * (headDim + valueDim));
    if (call.rule.mask) this.cost.bytes += call.rule.mask.data.length;
    const output =
      call.outputLayout === "merged" ? [batch, queries, heads * valueDim] : [batch, heads, queries, valueDim];
    return { output: this.made(output), lse: this.made([batch, heads, queries]) };
  }

  recurrent({ inputs, weight, bias, h, c }: RecurrentCall): RecurrentResult {
    const [batch, length] = inputs.shape as [number, number];
    const H = h.shape[1]!;
    this.cost.multiplyAdds += inputs.size * H;
    const output = this.each([inputs, bias, h, c], [batch, length, H]);
    this.cost.bytes += "kind" in weight ? weight.bytes : 4 * weight.size;
    return { output, ...(c && { cells: this.made(output.shape) }) };
  }

  layerNorm(x: Tensor, weight?: Tensor, bias?: Tensor): Tensor {
    return this.each([x, weight, bias], x.shape);
  }
  rmsNorm(x: Tensor, weight?: Tensor): Tensor {
    return this.each([x, weight], x.shape);
  }
  softmax(x: Tensor): Tensor {
    return this.each([x], x.shape);
  }
  logSoftmax(x: Tensor): Tensor {
    return this.each([x], x.shape);
  }
  crossEntropy(logits: Tensor): Tensor {
    this.cost.elementwise += logits.size;
    return this.moved([logits], [1]);
  }
  unary(_kind: string, x: Tensor): Tensor {
    return this.each([x], x.shape);
  }
  binary(_kind: string, a: Tensor, b: Tensor): Tensor {
    return this.each([a, b], broadcastShapes(a.shape, b.shape, "binary"));
  }
  affine(x: Tensor): Tensor {
    return this.each([x], x.shape);
  }
  reduce(_kind: string, x: Tensor, axes: readonly number[]): Tensor {
    this.cost.elementwise += x.size;
    const along = axes.map((a) => (a < 0 ? a + x.shape.length : a));
    return this.moved([x], x.shape.map((d, axis) => (along.includes(axis) ? 1 : d))); // biome-ignore format: one line
  }
  gather(table: Tensor, ids: Int32Array): Tensor {
    const width = table.shape[1]!;
    this.cost.bytes += 4 * ids.length * (width + 1);
    return this.made([ids.length, width]);
  }
  rotary(x: Tensor): Tensor {
    return this.each([x], x.shape);
  }
  permute(x: Tensor, axes: readonly number[]): Tensor {
    return this.moved([x], axes.map((a) => x.shape[a]!)); // biome-ignore format: one line
  }
  slice(x: Tensor, axis: number, from: number, to: number): Tensor {
    const shape = x.shape.map((d, a) => (a === (axis < 0 ? axis + x.shape.length : axis) ? to - from : d));
    this.cost.bytes += 4 * sizeOf(shape);
    return this.made(shape);
  }
  concat(parts: readonly Tensor[], axis: number): Tensor {
    const along = axis < 0 ? axis + parts[0]!.shape.length : axis;
    const total = parts.reduce((n, p) => n + p.shape[along]!, 0);
    return this.moved(parts, parts[0]!.shape.map((d, a) => (a === along ? total : d))); // biome-ignore format: one line
  }
  reshape(x: Tensor, shape: readonly number[]): Tensor {
    return x.reshape(shape);
  }
  scope<T>(body: () => T): T {
    return body();
  }
}
