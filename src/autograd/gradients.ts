/**
 * @file Slopes by the numbers they belong to.
 *
 * The key is where a tensor's numbers are, not the tensor: `x` and `x.reshape(…)` are the same numbers, and both add to
 * one slope. A slope that arrives first is only borrowed, since an addition hands the same one to both of its terms; the
 * second makes a sum that is ours and grows in place from then on.
 */
import type { Kernel } from "../kernels/kernel.js";
import { show, sizeOf, type Tensor } from "../tensor/index.js";
import { filled } from "./broadcast.js";

/** The slope of a part of a tensor: from index `from` of an axis, zeros elsewhere. */
export interface SlicePart {
  part: Tensor;
  axis: number;
  from: number;
}

/** What identifies the numbers of a tensor. */
export function keyOf(t: Tensor): object {
  return t.storage;
}

export class Gradients {
  readonly #kernel: Kernel;
  readonly #sums = new Map<object, { sum: Tensor; ours: boolean }>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  add(of: Tensor, part: Tensor): void {
    const key = keyOf(of);
    const shaped = show(part.shape) === show(of.shape) ? part : part.reshape(of.shape);
    const held = this.#sums.get(key);
    if (!held) this.#sums.set(key, { sum: shaped, ours: false });
    else if (held.ours) this.#kernel.addInPlace(held.sum, shaped.reshape(held.sum.shape));
    else {
      const sum = this.#kernel.binary("add", held.sum, shaped.reshape(held.sum.shape));
      this.#sums.set(key, { sum, ours: true });
    }
  }

  /** Adds where the part lies and nowhere else: a loop over time costs its length, not its square. */
  addSlice(of: Tensor, { part, axis, from }: SlicePart): void {
    const key = keyOf(of);
    let held = this.#sums.get(key);
    if (!held?.ours) {
      const zeros = filled(this.#kernel, of.shape, 0);
      if (held) this.#kernel.addInPlace(zeros, held.sum.reshape(of.shape));
      held = { sum: zeros, ours: true };
      this.#sums.set(key, held);
    }
    const inner = sizeOf(of.shape.slice(axis + 1));
    const outer = sizeOf(of.shape.slice(0, axis));
    const run = part.shape[axis]! * inner;
    const [source, target] = [part.data, held.sum.data];
    for (let o = 0, n = 0; o < outer; o++) {
      const start = (o * of.shape[axis]! + from) * inner;
      for (let i = start; i < start + run; i++, n++) target[i]! += source[n]!;
    }
  }

  /** The sum so far, in the shape of the tensor it belongs to; undefined when nothing arrived. */
  take(of: Tensor): Tensor | undefined {
    return this.#sums.get(keyOf(of))?.sum.reshape(of.shape);
  }
}
