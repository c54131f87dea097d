/**
 * @file Masked scores made huge, seen scores made tiny.
 *
 * Dimension 0 of q is 1 and of k a chosen number, so every score of key j moves by `offset[j]` exactly. A mask that is
 * an absence does not notice; a constant is overtaken, and a softmax that still counts hidden keys is left with nothing.
 */
import { base } from "./base.js";
import { allowedPairs, type Pairs, type Problem, problem, shapeOf } from "./problem.js";
import type { Lab } from "./lab.js";
import { type PathName, unmaskedColumn } from "./columns.js";
import { simulate } from "./simulate.js";

export interface HugeResult {
  path: PathName;
  problem: Problem;
  /** Where the masked keys stood, relative to those seen. */
  offset: number;
  expected: Float64Array;
  weights: Float64Array;
  pairs: Pairs;
  /** Largest share of a row that masked keys took. */
  leaked: number;
  /** Do the keys that are seen have the weights they should have? */
  seenRight: boolean;
  status: "right" | "leaks" | "NaN" | "wrong";
}

/** One mask whose last key is hidden from every query (causal: from every query but the last). */
export async function huge(
  lab: Lab,
  path: PathName,
  offset: number,
  which: "masked up" | "seen down",
): Promise<HugeResult | undefined> {
  const known = await base(lab);
  // Heads of a usual size: a constant that is added before the scale shrinks with it, −10 000 to −1250.
  const shape = lab.fit(shapeOf({ B: 1, H: 2, Lk: 3, D: known.fittedFor ?? 64 }));
  const plain = problem(shape, lab.seed + 3);
  const p = unmaskedColumn(path, plain);
  const scale = known.recipe(p).scale ?? lab.meantScale(p.D);
  for (let row = 0; row < p.B * p.H * p.Lq; row++) p.q[row * p.D] = 1;
  for (let row = 0; row < p.B * p.Hk; row++)
    for (let j = 0; j < p.Lk; j++) {
      const hidden = j === p.Lk - 1;
      p.k[(row * p.Lk + j) * p.D] =
        which === "masked up" ? (hidden ? offset / scale : 0) : hidden ? 0 : -offset / scale;
    }
  const got = await lab.weights(p);
  if (!got.ok) return undefined;
  const pairs = allowedPairs(p);
  const want = simulate(p, { ...known.recipe(p), maskings: [{ pairs, mechanism: { kind: "absent" } }] });
  let leaked = 0;
  let apart = 0;
  let broken = false;
  for (let n = 0; n < got.weights.length; n++) {
    const row = Math.floor(n / p.Lk);
    const i = row % p.Lq;
    if (path === "causal" && i === p.Lq - 1) continue; // the last query sees every key
    const w = got.weights[n]!;
    if (!Number.isFinite(w)) broken = true;
    else if (want.weights[n] === 0) leaked = Math.max(leaked, Math.abs(w));
    else apart = Math.max(apart, Math.abs(w - want.weights[n]!));
  }
  // A score of `offset` carries a rounding of one part in 2^24 (2^11 in half precision), which weights show whole.
  const slack =
    which === "masked up" ? known.tolerance : offset * (known.tolerance < 1e-3 ? 2 ** -21 : 2 ** -9) + known.tolerance;
  const seenRight = !broken && apart <= Math.max(slack, 1e-2);
  const status = broken ? "NaN" : leaked > 1e-2 ? "leaks" : seenRight ? "right" : "wrong";
  return { path, problem: p, offset, expected: want.weights, weights: got.weights, pairs, leaked, seenRight, status };
}
