/**
 * @file What the heads of a causal model do, measured on random tokens repeated once:
 *     tokens      a b c d a b c d           nothing but the repetition can be foretold
 *     previous    weight on the token before                                            chance ≈ 1/position
 *     first       weight on the first token
 *     induction   weight on the token after the earlier occurrence, second half only    d→a … a→b: copies what came next
 * Olsson et al. 2022 (arXiv:2209.11895), "prefix matching" score.
 */
import { random } from "../tensor/random.js";
import { withListener } from "../attention/listen.js";
import { kernelInForce, ops } from "../kernels/current.js";

export interface HeadScore {
  layer: number;
  head: number;
  previous: number;
  first: number;
  induction: number;
}

export interface HeadScoreOptions {
  vocabulary: number;
  /** Random tokens are drawn from [first, vocabulary). */
  first?: number;
  /** Sequences; default 8. */
  sequences?: number;
  /** Tokens before the repetition; default 64. */
  period?: number;
  seed?: number;
}

/**
 * Scores of every head.
 * @param forward runs the model on rows of ids; its attentions are listened to
 */
export function headScores(forward: (rows: number[][]) => unknown, options: HeadScoreOptions): HeadScore[] {
  const { vocabulary, first = 0, sequences = 8, period = 64, seed = 1 } = options;
  const source = random(seed);
  const rows = Array.from({ length: sequences }, () => {
    const once = Array.from({ length: period }, () => first + source.below(vocabulary - first));
    return [...once, ...once];
  });
  const scores: HeadScore[] = [];
  const L = 2 * period;
  const listener: Parameters<typeof withListener>[0] = {
    after({ layer }, call, result) {
      const { data } = kernelInForce().attentionWeights(call, [0, L], [0, L], result.lse); // [B, H, L, L]
      for (let head = 0; head < call.heads; head++) {
        const sum = { previous: 0, first: 0, induction: 0 };
        for (let b = 0; b < sequences; b++) {
          const map = data.subarray((b * call.heads + head) * L * L, (b * call.heads + head + 1) * L * L);
          for (let i = 1; i < L; i++) {
            sum.previous += map[i * L + i - 1]!;
            sum.first += map[i * L]!;
            if (i >= period) sum.induction += map[i * L + i - period + 1]!;
          }
        }
        const rest = sequences * (L - 1);
        scores.push({
          layer,
          head,
          previous: sum.previous / rest,
          first: sum.first / rest,
          induction: sum.induction / (sequences * period),
        });
      }
      return result;
    },
  };
  ops().scope(() => void withListener(listener, () => void forward(rows)));
  return scores;
}

/** The best head for one thing. */
export function best(scores: readonly HeadScore[], what: "previous" | "first" | "induction"): HeadScore {
  return scores.reduce((a, b) => (b[what] > a[what] ? b : a));
}
