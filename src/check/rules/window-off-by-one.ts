/** @file A window that holds one key too few or too many. */
import { base } from "../probe/base.js";
import { showMaps } from "../probe/evidence.js";
import type { Lab } from "../probe/lab.js";
import { withOption } from "../probe/options.js";
import { type Problem, problem, shapeOf } from "../probe/problem.js";
import { simulate } from "../probe/simulate.js";
import { notTested, type Outcome, rule } from "../rule.js";

export const windowOffByOne = rule({
  id: "window-off-by-one",
  says: "The window holds one key too few or too many.",
  why: "window { left: W } is the query itself and W keys before it; sliding_window: W in Hugging Face is W keys with itself. A cache cut by the other count drops a key that is still needed.",
  severity: "warning",
  fix: "Keep keys with i − left ≤ j ≤ i + right, both ends included",
  reference: "flash-attention, ONNX and JAX: (3, 0) sees 4 keys; seen in transformers#39408, #29623, vllm#3385",
  wrong: "const visible = j > i - left && j < i + right + 1;",
  right: "const visible = j >= i - left && j <= i + right;",
  mustCatch: ["left end out", "right end out", "one too many on the left"],
  mustPass: ["with a window", "a window written into the mask"],
  picture: {
    expected: "■ · · · ·\n■ ■ · · ·\n■ ■ ■ · ·\n· ■ ■ ■ ·\n· · ■ ■ ■",
    found: "■ · · · ·\n■ ■ · · ·\n· ■ ■ · ·\n· · ■ ■ ·\n· · · ■ ■",
  },
  probe: async (lab) => {
    const shape = lab.fit(shapeOf({ B: 1, H: 1, Lk: 7, D: 11 }));
    const plain = problem(shape, lab.seed);
    let reason = "";
    for (const causal of [false, true]) {
      const p: Problem = causal ? { ...plain, causal } : plain;
      const right = causal ? 0 : 1;
      const got = await withOption(lab, p, { window: { left: 2, right } });
      if (typeof got === "string") {
        reason ||= got;
        continue;
      }
      const outcome = await read(lab, p, got.weights, right);
      if (outcome !== "clear") return outcome;
      reason = "-";
    }
    if (reason === "-") return "clear";
    return (await asNumber(lab, { ...plain, causal: true })) ?? notTested(reason);
  },
});

/** How many keys before and after itself a query in the middle sees, when the map is a band. */
function band(p: Problem, weights: Float64Array): { left: number; right: number } | undefined {
  const i = Math.floor(p.Lq / 2);
  const seen = Array.from({ length: p.Lk }, (_, j) => j).filter((j) => weights[i * p.Lk + j]! > 0);
  if (seen.length === 0 || seen.length === p.Lk) return undefined;
  const [left, right] = [i - seen[0]!, seen.at(-1)! - i];
  const whole = weights.every((w, n) => {
    const [row, j] = [Math.floor(n / p.Lk) % p.Lq, n % p.Lk];
    return w > 0 === (j >= row - left && j <= row + right);
  });
  return whole ? { left, right } : undefined;
}

async function read(lab: Lab, p: Problem, weights: Float64Array, right: number): Promise<Outcome> {
  const known = await base(lab);
  const found = band(p, weights);
  if (!found) return notTested("the option window is taken in a form of its own");
  if (found.left === 2 && found.right === right) return "clear";
  if (Math.abs(found.left - 2) > 1 || Math.abs(found.right - right) > 1)
    return notTested("the option window is taken in a form of its own");
  const want = simulate(p, {
    ...known.recipe(p),
    maskings: [{ pairs: (_b, _h, i, j) => j >= i - 2 && j <= i + right, mechanism: { kind: "absent" } }],
  });
  const shown = showMaps({ ...p, extra: { window: { left: 2, right } } }, want.weights, weights, lab);
  return {
    message: `window { left: 2, right: ${right} } sees ${found.left} keys before and ${found.right} after the query instead of 2 and ${right}.`,
    evidence: shown.evidence,
    probe: shown.probe,
  };
}

/** A window given as one number: 3 keys or 4 are both in use. */
async function asNumber(lab: Lab, p: Problem): Promise<Outcome | undefined> {
  const got = await withOption(lab, p, { window: 3 });
  if (typeof got === "string") return undefined;
  const found = band(p, got.weights);
  if (found?.right !== 0 || (found.left !== 2 && found.left !== 3)) return undefined;
  return {
    severity: "info",
    message: `window: 3 sees ${found.left + 1} keys, the query's own among them${found.left === 2 ? ", as sliding_window in Hugging Face" : ", as window_size (3, 0) in flash-attention"}.`,
    evidence: `causal, window 3: query 3 sees keys ${3 - found.left} … 3`,
  };
}
