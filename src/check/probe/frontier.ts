/** @file How far a causal query sees, when there are more keys than queries or more queries than keys. */
import { base, isPlain } from "./base.js";
import type { Lab } from "./lab.js";
import { unsound } from "./named.js";
import { type Problem, problem, shapeOf } from "./problem.js";

export type Reach = "lower-right" | "upper-left" | "everything" | "other" | "fails";

export interface Frontier {
  Lq: number;
  Lk: number;
  reach: Reach;
  problem: Problem;
  weights?: Float64Array;
  /** Keys each query sees, from the first head. */
  sees: number[];
}

export type Frontiers = { reason: string } | Record<"decode" | "chunk" | "long", Frontier>;

/** One query with many keys (a decoding step), a few queries with more keys (a chunk), more queries than keys. */
export function frontiers(lab: Lab): Promise<Frontiers> {
  return lab.once("frontiers", async () => {
    const known = await base(lab);
    if (!isPlain(known)) return { reason: "the output without options is wrong already" };
    const bad = await unsound(lab, "causal");
    if (bad) return { reason: bad };
    return {
      decode: await frontier(lab, 1, 5),
      chunk: await frontier(lab, 3, 7),
      long: await frontier(lab, 7, 3),
    };
  });
}

async function frontier(lab: Lab, Lq: number, Lk: number): Promise<Frontier> {
  const p: Problem = { ...problem(lab.fit(shapeOf({ B: 1, H: 2, Lq, Lk, D: 11 })), lab.seed), causal: true };
  const got = await lab.weights(p);
  if (!got.ok) return { Lq, Lk, reach: "fails", problem: p, sees: [] };
  const { weights } = got;
  const seen = (offset: number, limit = Lk) =>
    weights.every((w, n) => {
      const [i, j] = [Math.floor(n / Lk) % Lq, n % Lk];
      const open = i + offset < 0; // a row that sees nothing may hold anything
      return open || (j <= Math.min(i + offset, limit) ? w > 0 : w === 0);
    });
  const sees = Array.from({ length: Lq }, (_, i) => weights.subarray(i * Lk, (i + 1) * Lk).filter((w) => w > 0).length);
  const reach: Reach = seen(Lk - Lq)
    ? "lower-right"
    : seen(0)
      ? "upper-left"
      : weights.every((w) => w > 0)
        ? "everything"
        : "other";
  return { Lq, Lk, reach, problem: p, weights, sees };
}
