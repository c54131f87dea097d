/** @file New nodes that give an attention's map, and what tells rows without a key. */
import { FLOAT } from "../proto/model.js";
import { intAttribute } from "../proto/write.js";
import type { Found } from "../find/found.js";
import type { Builder } from "./builder.js";
import { weightsBeside } from "./beside.js";
import type { Place, Plan } from "./plan.js";

/**
 * The map as float32 [B, H, Tq, Tk]; [B·H, Tq, Tk] where the number of heads is not known before a run.
 * @returns undefined for an operator that hides it
 */
export function mapOf(plan: Plan, found: Found): Place | undefined {
  const { scope, tap, node } = found;
  const b = plan.builder(scope);
  if (tap.form === "hidden") return undefined;
  if (tap.form === "beside") {
    const made = weightsBeside(b, scope, node);
    return made === undefined ? undefined : { scope, name: b.cast(made.weights, FLOAT) };
  }
  if (tap.form === "output") {
    const asked = plan.ask(scope, node, tap.index, tap.attribute);
    return { scope, name: b.cast(tap.scores ? b.softmax(asked) : asked, FLOAT) };
  }
  let x = tap.tensor;
  if (tap.scale) x = b.op("DequantizeLinear", [x, ...tap.scale.filter((name) => name !== "")]);
  let rank = scope.value(tap.tensor).dims?.length;
  if (tap.perm) {
    x = b.transpose(x, tap.perm);
    rank = tap.perm.length;
  } else if (tap.transposed) {
    const axes = Array.from({ length: rank ?? 4 }, (_, i) => i);
    x = b.transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
  }
  return { scope, name: b.cast(fourAxes(b, x, rank, found.heads), FLOAT) };
}

/** [B·H, Tq, Tk] → [B, H, Tq, Tk]; grouped heads [B, G, R, Tq, Tk] become one axis; [Tq, Tk] gets two. */
function fourAxes(b: Builder, x: string, rank: number | undefined, heads: number | undefined): string {
  if (rank === 3 && heads !== undefined) return b.reshape(x, b.concat(0, b.ints(-1, heads), b.lengths(x, 1, 2)));
  if (rank === 2) return b.unsqueeze(x, 0, 1);
  if (rank === 5) return b.reshape(x, b.concat(0, b.lengths(x, 0), b.ints(-1), b.lengths(x, 3, 4)));
  return x;
}

/**
 * The largest score of each row, before the softmax: −∞, or a mask's large negative number, where a row sees no key.
 * Of a fused operator only its mask is seen. @returns undefined where neither is
 */
export function rowMaximum(plan: Plan, found: Found): Place | undefined {
  const { scope, tap, scores, masks, node } = found;
  const b = plan.builder(scope);
  const max = (x: string, axis = -1): Place => ({ scope, name: b.cast(b.reduce("ReduceMax", x, axis), FLOAT) });
  if (tap.form === "output" && tap.scores) return max(plan.ask(scope, node, tap.index, tap.attribute));
  if (tap.form === "beside") {
    const made = weightsBeside(b, scope, node);
    return made && max(made.scores);
  }
  if (masks && masks.length > 0) {
    const mask = masks[0]!;
    // A boolean mask as numbers: 0 for a pair that may attend, a large negative one for a pair that may not.
    if (scope.value(mask).type !== 9) return max(mask);
    return max(b.op("Mul", [b.op("Sub", [b.cast(mask, FLOAT), b.float(1)]), b.float(1e38)]));
  }
  if (!scores || tap.form !== "tensor" || tap.scale || tap.perm) return undefined;
  return max(scores, tap.transposed ? -2 : -1);
}

/** ln Σ e^s of each row, [B, H, Tq]. */
export function rowLogSumExp(plan: Plan, { scope, scores }: Found): Place {
  const b = plan.builder(scope);
  return { scope, name: b.cast(b.reduce("ReduceLogSumExp", scores!, -1), FLOAT) };
}

/** Any value of the graph as float32 under a name of ours. */
export function floatOf(plan: Plan, { scope }: Found, name: string): Place {
  return { scope, name: plan.builder(scope).op("Cast", [name], [intAttribute("to", FLOAT)]) };
}
