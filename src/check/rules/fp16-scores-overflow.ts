/** @file q·k overflows in float16 before it is scaled. */
import { base, isPlain } from "../probe/base.js";
import { callText } from "../probe/evidence.js";
import { largeScores } from "../probe/large.js";
import { problem, shapeOf } from "../probe/problem.js";
import { simulate } from "../probe/simulate.js";
import { number } from "../report/picture.js";
import { notTested, rule } from "../rule.js";

export const fp16ScoresOverflow = rule({
  id: "fp16-scores-overflow",
  says: "q·k overflows in float16 before it is scaled.",
  why: "A sum of D products passes 65504 long before the scaled score does; ∞ − ∞ is NaN in the softmax.",
  severity: "error",
  fix: "Scale q first (fold 1/√D into q), or accumulate q·k in float32",
  reference: "seen in pytorch#60940",
  wrong: "s = half(dot(q, k)) * scale;",
  right: "s = dot(q.map((x) => half(x * scale)), k); // or accumulate in float32",
  mustCatch: ["float16 loops, scaled last", "sums in float16", "scores rounded to float16 before scaling"],
  mustPass: ["float16, scale folded into q"],
  explains: ["softmax-unstable"],
  picture: { expected: "■ ■ ■\n■ ■ ■\n■ ■ ■", found: "! ! !\n! ! !\n! ! !" },
  probe: async (lab) => {
    const known = await base(lab);
    if (!isPlain(known)) {
      return notTested("the output of small scores is wrong already");
    }
    const D = 64;
    const p = { ...problem(lab.fit(shapeOf({ B: 1, H: 1, Lk: 3, D })), lab.seed), scale: 2 ** -17 };
    const plain = {
      ...p,
      scale: 2 ** -17,
      q: p.q.map((_, n) => (n % 2 ? 48 : 40)),
      k: p.k.map((_, n) => (Math.floor(n / D) === 1 ? 40 : 32)),
    };
    // q·k is 64·44·32 = 90 112 and 112 640, beyond 65 504; scaled by 2^-17 the scores are 0.69 and 0.86.
    const answer = await lab.ask(plain);
    if (!answer.ok) return notTested(`the function does not take scale: ${answer.message}`);
    const want = simulate(plain).output;
    const bad = answer.output.findIndex((x, n) => !(Math.abs(x - want[n]!) <= 0.1));
    if (bad < 0) return "clear";
    if (Number.isFinite(answer.output[bad]!) && known.tolerance < 1e-3) return "clear"; // another mistake, with a rule of its own
    const large = await largeScores(lab);
    if (known.tolerance < 1e-3 && large.some((r) => r.error > 1e-2))
      return notTested("large scores fail without an overflow of q·k");
    return {
      message: "q·k beyond 65 504 overflows before it is scaled, although the scaled scores are below 1.",
      evidence: `${callText(plain, lab)}, q of 40 and 48, k of 32 and 40: q·k = 90 112 … 112 640, scaled 0.69 … 0.86; number ${bad} of the output is ${number(answer.output[bad]!)}, expected ${number(want[bad]!)}`,
    };
  },
});
