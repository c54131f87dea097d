/** @file Options a candidate may or may not know: is one taken, and does it mean what it should? */
import { base, isPlain } from "./base.js";
import { distance, finite } from "./compare.js";
import type { Lab } from "./lab.js";
import type { Problem } from "./problem.js";

/**
 * Asks for weights with an option and without.
 * @returns the weights when the option is taken: it does not throw and makes a difference; else the reason
 */
export async function withOption(
  lab: Lab,
  p: Problem,
  extra: Record<string, unknown>,
): Promise<{ weights: Float64Array; plain: Float64Array } | string> {
  const known = await base(lab);
  if (!isPlain(known)) return "the output without options is wrong already";
  const name = Object.keys(extra)[0]!;
  const plain = await lab.weights(p);
  if (!plain.ok) return plain.message;
  const taken = await lab.weights({ ...p, extra });
  if (!taken.ok) return `the function does not take ${name}: ${taken.message}`;
  if (!finite(taken.weights)) return `the function does not take ${name} in this form`;
  if (distance(taken.weights, plain.weights) <= 1e-9) return `the function does not take ${name}`;
  return { weights: taken.weights, plain: plain.weights };
}
