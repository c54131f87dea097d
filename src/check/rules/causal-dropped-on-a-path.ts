/** @file causal holds alone and not together with something else. */
import { base } from "../probe/base.js";
import { distance, finite } from "../probe/compare.js";
import { callText, showMaps } from "../probe/evidence.js";
import { unsound } from "../probe/named.js";
import {
  allowedPairs,
  causalPairs,
  maskPairs,
  type Pairs,
  paddingPairs,
  type Problem,
  problem,
  shapeOf,
} from "../probe/problem.js";
import { scaleIsWrong } from "../probe/scale.js";
import { simulate } from "../probe/simulate.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { notTested, rule } from "../rule.js";
import type { Lab } from "../probe/lab.js";

interface Path {
  says: string;
  make(p: Problem): Problem;
  /** Asked of every candidate; a path it refuses is a convention. */
  expected: boolean;
}

const ones = (n: number) => new Uint8Array(n).fill(1);
const paths: Path[] = [
  {
    says: "with a mask",
    expected: true,
    make: (p) => ({ ...p, mask: { data: ones(p.B * p.Lq * p.Lk), shape: [p.B, 1, p.Lq, p.Lk] } }),
  },
  {
    says: "with a mask that hides a key",
    expected: true,
    make: (p) => ({
      ...p,
      mask: { shape: [p.B, 1, p.Lq, p.Lk], data: ones(p.B * p.Lq * p.Lk).map((_, n) => (n % p.Lk === 1 ? 0 : 1)) },
    }),
  },
  {
    says: "with keyPadding",
    expected: true,
    make: (p) => ({ ...p, keyPadding: ones(p.B * p.Lk).map((_, n) => (n % p.Lk === 1 ? 0 : 1)) }),
  },
  { says: "with scale", expected: true, make: (p) => ({ ...p, scale: 0.4 }) },
  {
    says: "with the weights asked for",
    expected: false,
    make: (p) => ({ ...p, extra: { returnWeights: true, needWeights: true, outputAttentions: true } }),
  },
  { says: "with the log-sum-exp asked for", expected: false, make: (p) => ({ ...p, extra: { returnLse: true } }) },
  { says: "with training: false", expected: false, make: (p) => ({ ...p, extra: { training: false } }) },
  {
    says: "with training: true and dropout 0",
    expected: false,
    make: (p) => ({ ...p, extra: { training: true, dropout: 0 } }),
  },
  { says: "with dropout: 0", expected: false, make: (p) => ({ ...p, extra: { dropout: 0 } }) },
];

export const causalDroppedOnAPath = rule({
  id: "causal-dropped-on-a-path",
  says: "causal (or another mask) is dropped when another option is given.",
  why: "The fast path is causal and the one with weights, a mask or a long sequence is not. Perplexity looks too good, and only on that path.",
  severity: "error",
  fix: "Build one rule from all options (their intersection) before any path is chosen",
  reference: "masks intersect; seen in keras#23038, transformers#48748, xformers#1185",
  wrong: "const visible = mask ? mask[i][j] : !causal || j <= i;",
  right: "const visible = (!mask || mask[i][j]) && (!causal || j <= i);",
  mustCatch: [
    "mask overrides causal",
    "keyPadding overrides causal",
    "causal overrides mask",
    "not when weights are asked for",
    "not beyond 64 keys",
    "not in eval",
    "model: with padding",
  ],
  mustPass: [
    "rows of padding are zeros",
    "a window written into the mask",
    "{ output, weights }",
    "model: decoder, learned positions",
  ],
  explains: ["future-leak", "dead-row-NaN", "dead-row-uniform", "NaN-through-mask"],
  picture: { expected: "■ · ·\n■ ■ ·\n■ ■ ■", found: "■ ■ ■\n■ ■ ■\n■ ■ ■" },
  probe: async (lab) => {
    const bad = await unsound(lab, "causal");
    if (bad) return notTested(bad);
    const known = await base(lab);
    const shapes = [shapeOf({ B: 2, H: 2, Lk: 5, D: 7 })];
    for (const path of paths) {
      if (path.says.includes("mask") && (await unsound(lab, "mask per item"))) continue;
      if (path.says === "with scale" && (await scaleIsWrong(lab))) continue;
      if (path.says.includes("keyPadding") && (await unsound(lab, "keyPadding"))) continue;
      for (const shape of shapes) {
        const p = path.make({ ...problem(lab.fit({ ...shape }), lab.seed), causal: true });
        const got = await lab.weights(p);
        if (!got.ok) {
          if (path.expected && path.says === "with a mask")
            return {
              severity: "info",
              message: `causal ${path.says} is refused: ${got.message}`,
              evidence: callText(p, lab),
            };
          continue;
        }
        const found = verdict(lab, known, p, got.weights, path);
        if (found) return found;
      }
    }
    return lengths(lab);
  },
  probeModel: (lab) => paddingOutcome(lab, "causal-dropped-on-a-path"),
});

type Known = Awaited<ReturnType<typeof base>>;

/** Which of the masks were kept, when not all of them were? */
function verdict(lab: Lab, known: Known, p: Problem, weights: Float64Array, path: Path) {
  const made = (pairs: Pairs) =>
    simulate(p, { ...known.recipe(p), maskings: [{ pairs, mechanism: { kind: "absent" } }] });
  const right = made(allowedPairs(p));
  // What comes out where the query itself is padding means nothing, and some give zeros there.
  const blank = (row: number) =>
    p.keyPadding?.[Math.floor(row / (p.H * p.Lq)) * p.Lk + (row % p.Lq)] === 0 && p.Lq === p.Lk;
  const open = (n: number) => right.dead[Math.floor(n / p.Lk)] === 1 || blank(Math.floor(n / p.Lk));
  const leaks = weights.some((w, n) => !open(n) && right.weights[n] === 0 && w !== 0);
  if (!leaks && distance(weights, right.weights, open) <= known.tolerance) return undefined;
  const other: Pairs = (b, h, i, j) =>
    (!p.mask || maskPairs(p, p.mask)(b, h, i, j)) && (!p.keyPadding || paddingPairs(p, p.keyPadding)(b, h, i, j));
  const hypotheses: [string, Pairs][] = [
    ["causal is dropped", other],
    ["everything but causal is dropped", causalPairs(p)],
    ["no mask is left", () => true],
    ["a pair is seen when either allows it", (b, h, i, j) => causalPairs(p)(b, h, i, j) || other(b, h, i, j)],
  ];
  const name = hypotheses.find(([, pairs]) => {
    const m = made(pairs);
    return distance(weights, m.weights, (n) => m.dead[Math.floor(n / p.Lk)] === 1) <= known.tolerance;
  });
  if (!name && !path.expected && (!leaks || !finite(weights))) return undefined; // an option of its own meaning
  const shown = showMaps(p, right.weights, weights, lab, right.dead);
  return {
    message: `${name ? name[0].charAt(0).toUpperCase() + name[0].slice(1) : "The masks are not combined"} ${path.says}.`,
    evidence: shown.evidence,
    probe: shown.probe,
  };
}

/** Tiles and fast paths begin at lengths: the future must stay hidden at each. */
async function lengths(lab: Lab) {
  for (const Lk of [17, 67, 131]) {
    const p = { ...problem(lab.fit(shapeOf({ B: 1, H: 1, Lk, D: 4 })), lab.seed), causal: true };
    const first = await lab.ask(p);
    if (!first.ok) continue;
    // A query must not move when any later value does: move every value from j on, at three places.
    for (const j of Lk > 100 ? [Math.floor(Lk / 2)] : [1, Math.floor(Lk / 2), Lk - 1]) {
      const moved = await lab.ask({ ...p, v: p.v.map((x, n) => (Math.floor(n / p.Dv) % Lk >= j ? x + 4 : x)) });
      if (!moved.ok) continue;
      const at = moved.output.findIndex(
        (x, n) => Math.floor(n / p.Dv) % Lk < j && Math.abs(x - first.output[n]!) > 1e-4,
      );
      if (at < 0) continue;
      const query = Math.floor(at / p.Dv) % Lk;
      return {
        message: `causal holds on short sequences and not on ${Lk} keys: query ${query} moves when values from ${j} on do.`,
        evidence: `${callText(p, lab)}: output of query ${query} moves by ${Math.abs(moved.output[at]! - first.output[at]!).toFixed(3)}`,
      };
    }
  }
  return "clear" as const;
}
