/**
 * @file Locality-sensitive hashing by random rotations. Andoni et al. 2015 (arXiv:1509.02897); Kitaev et al. 2020
 * (arXiv:2001.04451) §2: h(x) = argmax [xR, −xR], R of D × buckets/2 normal numbers.
 */
import { ops } from "../../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, tensor } from "../../tensor/index.js";
import { count, type Problem } from "./operands.js";
import { normals } from "../../tensor/random.js";
import type { ReformerOptions } from "./reformer.js";

/** How vectors are hashed. */
export interface Hashing {
  /** Even factors whose product is the number of buckets. */
  factors: readonly number[];
  rounds: number;
  /** [H, D, rounds, Σ factors / 2] */
  rotations: Tensor;
}

/** Reads `buckets`, `rounds` and `rotations`. @throws {OptionError | ShapeError} */
export function readBuckets(p: Problem, options: ReformerOptions, chunkLength: number): Hashing {
  const given = options.buckets ?? defaultBuckets(p.queries, chunkLength);
  const factors = typeof given === "number" ? [given] : [...given];
  for (const n of factors) {
    if (Number.isInteger(n) && n > 0 && n % 2 === 0) continue;
    throw new OptionError({
      where: p.where,
      argument: "options.buckets",
      got: `is ${typeof given === "number" ? n : `[${factors.join(", ")}]`}`,
      expected: "even numbers of at least 2: buckets come in pairs, a direction and its opposite",
      fix: `use ${Math.max(2, 2 * Math.round(n / 2) || 2)}`,
    });
  }
  const width = factors.reduce((n, f) => n + f / 2, 0);
  const rotations = options.rotations && asTensor(options.rotations, p.where, "options.rotations");
  const rounds = count(p.where, "rounds", options.rounds ?? rotations?.shape[2] ?? 4);
  const shape = [p.heads, p.headDim, rounds, width];
  if (!rotations) return { factors, rounds, rotations: drawRotations(options.seed ?? 0, shape) };
  if (show(rotations.shape) === show(shape)) return { factors, rounds, rotations };
  throw new ShapeError({
    where: p.where,
    argument: "options.rotations",
    got: `has shape ${show(rotations.shape)}`,
    expected: `${show(shape)}: heads, headDim, rounds, half the sum of the factors [${factors.join(", ")}]`,
  });
}

/** Rotations [H, D, rounds, Σ factors / 2] of normal numbers. */
export function drawRotations(seed: number, shape: readonly number[]): Tensor {
  return tensor(normals(seed, shape.reduce((n, d) => n * d, 1)), shape); // biome-ignore format: one line
}

/** Hugging Face's choice: the power of 2 at or below 2·(L/chunk). */
function defaultBuckets(length: number, chunkLength: number): number {
  return 2 ** Math.max(1, Math.floor(Math.log2(2 * Math.max(1, Math.floor(length / chunkLength)))));
}

/** Buckets of the rows of x [B, H, L, D] → [B, H, rounds, L]. Factors combine as b0 + n0·b1 + n0·n1·b2 … */
export function lshBuckets(x: Tensor, { factors, rounds, rotations }: Hashing): Int32Array {
  const [B, H, L, D] = x.shape as [number, number, number, number];
  const o = ops();
  const width = rotations.shape[3]!;
  const byHead = B === 1 ? o.reshape(x, [H, L, D]) : o.reshape(o.permute(x, [1, 0, 2, 3]), [H, B * L, D]);
  const turned = o.matmul(byHead, o.reshape(rotations, [H, D, rounds * width])).data; // [H, B·L, rounds·width]
  const buckets = new Int32Array(B * H * rounds * L);
  for (let b = 0, at = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let r = 0; r < rounds; r++) {
        for (let i = 0; i < L; i++, at++) {
          buckets[at] = bucketOf(turned, ((h * B + b) * L + i) * rounds * width + r * width, factors);
        }
      }
    }
  }
  return buckets;
}

function bucketOf(turned: ArrayLike<number>, at: number, factors: readonly number[]): number {
  let bucket = 0;
  let step = 1;
  let from = at;
  for (const n of factors) {
    bucket += step * signedArgmax(turned, from, n / 2);
    step *= n;
    from += n / 2;
  }
  return bucket;
}

/** argmax of [x, −x]; the first of equals. */
function signedArgmax(x: ArrayLike<number>, from: number, half: number): number {
  let best = 0;
  let top = x[from]!;
  for (let j = 1; j < half; j++) if (x[from + j]! > top) top = x[from + (best = j)]!;
  for (let j = 0; j < half; j++) {
    if (-x[from + j]! > top) {
      top = -x[from + j]!;
      best = half + j;
    }
  }
  return best;
}

/** Positions sorted by (round, bucket, position), absent keys in a last bucket of their own: [B·H, rounds·L]. */
export function bucketOrder(buckets: Int32Array, p: Problem, { factors, rounds }: Hashing): Int32Array {
  const L = p.queries;
  const last = factors.reduce((n, f) => n * f, 1);
  const sorted = new Int32Array(buckets.length);
  for (let row = 0; row < p.batch * p.heads * rounds; row++) {
    const present = p.keyMask?.subarray(Math.floor(row / (p.heads * rounds)) * L);
    const bucket = (i: number) => (present && !present[i] ? last : buckets[row * L + i]!);
    const next = new Int32Array(last + 2); // where the next position of a bucket goes: a counting sort is stable
    for (let i = 0; i < L; i++) next[bucket(i) + 1]!++;
    for (let n = 1; n < next.length; n++) next[n]! += next[n - 1]!;
    for (let i = 0; i < L; i++) sorted[row * L + next[bucket(i)]!++] = i;
  }
  return sorted;
}
