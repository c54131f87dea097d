/** @file Which dimension a rotation pairs with the first. */
import { number } from "../report/picture.js";
import { notTested, type Outcome } from "../rule.js";
import type { Lab } from "./lab.js";
import { withOption } from "./options.js";
import { problem, shapeOf } from "./problem.js";

/**
 * q is 1 in dimension 0 at position 1, key 0 is 1 in dimension e: their score is cos θ for e = 0, ± sin θ for the partner
 * of 0 and nothing otherwise. Asked with the option `rope: { interleaved }`, where it is taken.
 */
export async function ropePartners(lab: Lab): Promise<Outcome> {
  const D = 8;
  for (const interleaved of [false, true]) {
    const partners: number[] = [];
    for (let e = 1; e < D; e++) {
      const p = problem(lab.fit(shapeOf({ B: 1, H: 1, Lk: 2, D })), lab.seed);
      p.q.fill(0);
      p.k.fill(0);
      for (let i = 0; i < 2; i++) p.q[i * D] = 2;
      p.k[e] = 2; // key 0
      p.k[D] = 2; // key 1, in dimension 0, so that the option always shows
      const got = await withOption(
        lab,
        { ...p, scale: 1 },
        { rope: { interleaved, dim: D, base: 10000, theta: 10000 } },
      );
      if (typeof got === "string") return notTested(got);
      // Row 1: key 1 stands at its own position and scores 4; key 0 scores 4·sin 1 with the partner, 0 otherwise.
      const score = Math.log(got.weights[2]! / got.weights[3]!) + 4;
      if (Math.abs(score) > 0.5) partners.push(e);
    }
    const want = interleaved ? 1 : D / 2;
    if (partners.length === 1 && partners[0] === want) continue;
    return {
      message: `With rope: { interleaved: ${interleaved} } dimension 0 turns with ${partners.length === 0 ? "none" : partners.join(", ")} instead of ${want}.`,
      evidence: `D = ${D}: q in dimension 0 at position 1 and a key in dimension e at position 0 have a score for e = ${partners.map(number).join(", ")}`,
    };
  }
  return "clear";
}
