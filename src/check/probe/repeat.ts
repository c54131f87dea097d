/** @file The same call again: chance, memory, and who else is in the batch. */
import { withFixedRandom } from "../candidate/candidate.js";
import { base } from "./base.js";
import { distance } from "./compare.js";
import type { Lab } from "./lab.js";
import { type Problem, problem, shapeOf } from "./problem.js";
import { simulate } from "./simulate.js";

export interface Repeats {
  problem: Problem;
  /** Outputs of the same call, one after the other. */
  outputs: Float64Array[];
  /** Largest difference between two of them. */
  spread: number;
  /** Are they equal once the random numbers are? */
  random: boolean;
  /** A, then B, then A: is the last as the first? */
  afterOther: number;
  /** Weights that are 0 or c times what they should be, as dropout leaves them: the rate 1 − 1/c. */
  dropped: number | undefined;
}

export function repeats(lab: Lab): Promise<Repeats | string> {
  return lab.once("repeats", async () => {
    const p = problem(lab.fit(shapeOf({ B: 2, H: 2, Lk: 5, D: 7 })), lab.seed + 1);
    const other = problem(lab.fit(shapeOf({ B: 2, H: 2, Lk: 5, D: 7 })), lab.seed + 2);
    const outputs: Float64Array[] = [];
    for (let n = 0; n < 4; n++) {
      const a = await lab.ask(p);
      if (!a.ok) return "the function gave no output to look at";
      outputs.push(a.output);
    }
    await lab.ask(other);
    const last = await lab.ask(p);
    const afterOther = last.ok ? distance(last.output, outputs[3]!) : 0;
    const spread = Math.max(...outputs.slice(1).map((o) => distance(o, outputs[0]!)));
    let random = false;
    if (spread > 0) {
      const fixed: Float64Array[] = [];
      for (let n = 0; n < 2; n++) {
        const a = await withFixedRandom(() => lab.ask(p));
        if (a.ok) fixed.push(a.output);
      }
      // A memory that settles gives equal answers too; chance goes on until its numbers are held.
      const goesOn = distance(outputs[2]!, outputs[1]!) > 0 && distance(outputs[3]!, outputs[2]!) > 0;
      random = goesOn && fixed.length === 2 && distance(fixed[0]!, fixed[1]!) === 0;
    }
    return { problem: p, outputs, spread, random, afterOther, dropped: await droppedRate(lab) };
  });
}

/** Reads weights of one call: some 0 where nothing is masked and the rest of a row scaled by one factor c > 1. */
async function droppedRate(lab: Lab): Promise<number | undefined> {
  const p = problem(lab.fit(shapeOf({ B: 2, H: 2, Lk: 7, D: 11 })), lab.seed + 4);
  const got = await lab.weights(p);
  if (!got.ok) return undefined;
  const known = await base(lab);
  const want = simulate(p, known.status === "right" ? known.recipe(p) : { scale: lab.meantScale(p.D) }).weights;
  let zeros = 0;
  const factors: number[] = [];
  got.weights.forEach((w, n) => {
    if (w === 0) zeros++;
    else factors.push(w / want[n]!);
  });
  if (zeros === 0 || factors.length === 0) return undefined;
  const c = factors.reduce((a, x) => a + x, 0) / factors.length;
  const steady = factors.every((f) => Math.abs(f - c) < 0.01 * Math.abs(c));
  return steady && c > 1.001 ? 1 - 1 / c : undefined;
}
