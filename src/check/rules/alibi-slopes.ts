/** @file Wrong slopes of ALiBi. */
import { base, isPlain } from "../probe/base.js";
import type { Lab } from "../probe/lab.js";
import { withOption } from "../probe/options.js";
import { type Problem, problem, shapeOf } from "../probe/problem.js";
import { number } from "../report/picture.js";
import { notTested, type Outcome, rule } from "../rule.js";

/** The paper's code: for 2^n heads 2^(−8h/n); otherwise those of the next lower power and every other one of the next. */
export function paperSlopes(heads: number): number[] {
  const power = (n: number) => Array.from({ length: n }, (_, h) => 2 ** ((-8 * (h + 1)) / n));
  const low = 2 ** Math.floor(Math.log2(heads));
  return low === heads
    ? power(heads)
    : [
        ...power(low),
        ...power(2 * low)
          .filter((_, n) => n % 2 === 0)
          .slice(0, heads - low),
      ];
}

/** The paper's text, for any number of heads. */
export const geometricSlopes = (heads: number): number[] =>
  Array.from({ length: heads }, (_, h) => 2 ** ((-8 * (h + 1)) / heads));

export const alibiSlopes = rule({
  id: "alibi-slopes",
  says: "ALiBi's slopes are not those of the paper.",
  why: "An exponent that is off by one, or heads that are no power of two: each head looks nearer or further than it was trained to.",
  severity: "error",
  fix: "Head h (from 1) of n has slope 2^(−8h/n), subtracted times the distance; for other n take the slopes of the next lower power of two and every other one of the next higher",
  reference: "Press et al. 2022 (arXiv:2108.12409) §3 and its code; seen in mlx#3071, aprender#2143",
  wrong: "slope = 2 ** (-8 * h / heads); // h from 0",
  right: "slope = 2 ** (-8 * (h + 1) / heads);",
  mustCatch: ["exponent from 0", "one slope", "half the exponent", "added"],
  mustPass: ["with ALiBi"],
  probe: async (lab) => {
    if (lab.rank !== 4) return notTested("the function has no axis of heads");
    let seen = false;
    let reason = "";
    for (const heads of [8, 6]) {
      const outcome = await slopes(lab, heads);
      if (typeof outcome === "string") {
        reason ||= outcome;
        continue;
      }
      seen = true;
      if (outcome.found !== "clear") return outcome.found;
    }
    return seen ? "clear" : notTested(reason);
  },
});

/** Slopes read from q = 0: ln W(i, j) − ln W(i, j − 1) is what one step of distance costs. */
async function slopes(lab: Lab, heads: number): Promise<string | { found: Outcome }> {
  const known = await base(lab);
  if (!isPlain(known)) return "the output without options is wrong already";
  const p: Problem = { ...problem(shapeOf({ B: 1, H: heads, Lk: 4, D: 5 }), lab.seed), causal: true };
  p.q.fill(0);
  const got = await withOption(lab, p, { alibi: true });
  if (typeof got === "string") return got;
  const last = p.Lq - 1;
  const steps = Array.from({ length: heads }, (_, h) => {
    const row = got.weights.subarray((h * p.Lq + last) * p.Lk, (h * p.Lq + last + 1) * p.Lk);
    return Array.from({ length: p.Lk - 1 }, (_, j) => Math.log(row[j + 1]! / row[j]!));
  });
  const even = steps.every((s) => s.every((x) => Math.abs(x - s[0]!) < 0.02 * Math.max(0.1, Math.abs(s[0]!))));
  const read = steps.map((s) => s[0]!);
  const near = (want: number[]) => even && read.every((x, h) => Math.abs(x - want[h]!) < 0.02 * want[h]! + 1e-4);
  if (near(paperSlopes(heads))) return { found: "clear" };
  const evidence = `q = 0, causal, alibi: true, ${heads} heads: a step of distance costs ${read.map(number).join(", ")}; expected ${paperSlopes(heads).map(number).join(", ")}`;
  if (near(geometricSlopes(heads)))
    return {
      found: {
        severity: "info",
        message: `For ${heads} heads, no power of two, slopes are 2^(−8h/${heads}), as in the paper's text; its code interleaves two powers of two.`,
        evidence,
      },
    };
  return {
    found: {
      message: `With ${heads} heads the first slope is ${number(read[0]!)}, expected ${number(paperSlopes(heads)[0]!)}.`,
      evidence,
    },
  };
}
