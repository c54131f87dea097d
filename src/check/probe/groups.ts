/** @file Grouped key heads: which key head does a query head read, and which of its keys? */
import { base, isPlain } from "./base.js";
import { distance, finite } from "./compare.js";
import type { Lab } from "./lab.js";
import { type Problem, problem, shapeOf } from "./problem.js";
import { simulate } from "./simulate.js";

export type Groups =
  | { status: "not tested"; reason: string }
  | { status: "right"; problem: Problem }
  | { status: "heads"; problem: Problem; map: number[]; expected: number[] }
  | { status: "keys"; problem: Problem; weights: Float64Array; expected: Float64Array };

/** Asks with six query heads and two key heads. A function that does not know grouped heads is not at fault. */
export function groups(lab: Lab): Promise<Groups> {
  return lab.once("groups", async (): Promise<Groups> => {
    const no = (reason: string): Groups => ({ status: "not tested", reason });
    const known = await base(lab);
    if (!isPlain(known)) return no("the output without options is wrong already");
    if (lab.rank !== 4) return no("the function has no axis of heads");
    const p = problem(shapeOf({ B: 2, H: 6, Hk: 2, Lk: 4, D: 5 }), lab.seed);
    const answer = await lab.ask(p);
    if (!answer.ok) return no(`the function does not take grouped heads: ${answer.message}`);
    if (!finite(answer.output)) return no("the function does not take grouped heads: it reads beyond the keys");
    if (distance(answer.output, simulate(p, known.recipe(p)).output) <= known.tolerance)
      return { status: "right", problem: p };
    const map = await headMap(lab, p);
    const expected = Array.from({ length: p.H }, (_, h) => Math.floor((h * p.Hk) / p.H));
    if (map) {
      const same = map.every((x, h) => x === expected[h]);
      if (!same) {
        const keyHead = (h: number) => map[h]!;
        const made = simulate(p, { ...known.recipe(p), keyHead }).output;
        if (distance(answer.output, made) <= known.tolerance) return { status: "heads", problem: p, map, expected };
      }
    }
    const got = await lab.weights(p);
    if (!got.ok || !finite(got.weights)) return no("the function does not take grouped heads");
    const want = simulate(p, known.recipe(p)).weights;
    const rowsSum = Array.from({ length: p.B * p.H * p.Lq }, (_, r) =>
      got.weights.subarray(r * p.Lk, (r + 1) * p.Lk).reduce((a, x) => a + x, 0),
    );
    const hidden = got.weights.some((w, n) => w === 0 && want[n]! > 1e-3);
    if (hidden && rowsSum.every((s) => Math.abs(s - 1) < 0.05))
      return { status: "keys", problem: p, weights: got.weights, expected: want };
    return no("grouped heads are read in a way of their own");
  });
}

/** For each query head the one key head that moves it; undefined where none or several do. */
async function headMap(lab: Lab, p: Problem): Promise<number[] | undefined> {
  const base = await lab.ask(p);
  if (!base.ok) return undefined;
  const map = new Array<number>(p.H).fill(-1);
  for (let kh = 0; kh < p.Hk; kh++) {
    const size = p.Lk * p.Dv;
    const moved = await lab.ask({ ...p, v: p.v.map((x, n) => (Math.floor(n / size) % p.Hk === kh ? x + 3 : x)) });
    if (!moved.ok) return undefined;
    for (let h = 0; h < p.H; h++) {
      const from = h * p.Lq * p.Dv;
      const moves = moved.output
        .subarray(from, from + p.Lq * p.Dv)
        .some((x, n) => Math.abs(x - base.output[from + n]!) > 1e-2);
      if (!moves) continue;
      if (map[h] !== -1) return undefined;
      map[h] = kh;
    }
  }
  return map.includes(-1) ? undefined : map;
}
