/**
 * @file How a weight starts. A weight is [outputs, inputs] as torch stores it; "fan-in" is the number of inputs that one
 * output sums up, every axis but the first.
 */
import type { Random } from "../tensor/random.js";
import { sizeOf } from "../tensor/index.js";

/** Fills a new weight. */
export type Initialiser = (into: Float32Array, shape: readonly number[], random: Random) => void;

export const zeros: Initialiser = (into) => void into.fill(0);
export const ones: Initialiser = (into) => void into.fill(1);

/** Normal with the standard deviation given. */
export const normal =
  (deviation: number): Initialiser =>
  (into, _, random) => {
    for (let i = 0; i < into.length; i++) into[i] = deviation * random.normal();
  };

/** Uniform in (−bound, bound); by default 1/√fan-in, which is how torch starts Linear and the recurrent layers. */
export const uniform =
  (bound?: number): Initialiser =>
  (into, shape, random) => {
    const b = bound ?? 1 / Math.sqrt(fanIn(shape));
    for (let i = 0; i < into.length; i++) into[i] = b * (2 * random.uniform() - 1);
  };

/**
 * Normal with deviation 1/√fan-in: a sum of fan-in products keeps the variance of its inputs, so the scores of an
 * untrained attention already differ. With GPT-2's fixed 0.02 a narrow model attends uniformly for millions of tokens.
 * LeCun et al. 1998, "Efficient BackProp", §4.6.
 */
export const keepVariance: Initialiser = (into, shape, random) =>
  normal(1 / Math.sqrt(fanIn(shape)))(into, shape, random);

/** Uniform with bound √(6/(inputs + outputs)), torch's choice for `in_proj_weight`. Glorot & Bengio 2010, eq. 16. */
export const glorot: Initialiser = (into, shape, random) =>
  uniform(Math.sqrt(6 / (fanIn(shape) + shape[0]!)))(into, shape, random);

function fanIn(shape: readonly number[]): number {
  return shape.length > 1 ? sizeOf(shape.slice(1)) : shape[0]!;
}
