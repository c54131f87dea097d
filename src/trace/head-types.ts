/**
 * @file What a head does, as scores in 0…1 with the chance level for this very sequence.
 *
 * Each type is a formula on one map P [Lq, Lk] (NaN = may not attend). Its chance level is the same formula on the uniform
 * head, which spreads every row evenly over the keys it may see: a short text makes "looks at the token before" easy,
 * and the chance level says how easy.
 *
 * Two formulas for induction are in use and disagree, so both are here under their names: `inductionMass` is the share
 * of the whole map that lies on the pattern (as TransformerLens' head detector, error measure "mul"); `induction` is the
 * mean weight, over repeated tokens only, on the tokens that followed earlier occurrences (Olsson et al. 2022,
 * arXiv:2209.11895, "prefix matching"), and `inductionStrict` counts of these only weights of at least 0.3.
 */

/** What the formulas need to know about the tokens along the map. */
export interface HeadTokens {
  /** Vocabulary ids of the columns (and of the rows, where the map is square). */
  ids: readonly number[];
  /** Tokens the tokenizer added, and punctuation: what a head "rests on". */
  delimiter: readonly boolean[];
  /** Rows and columns are the same sequence; false for cross-attention. */
  square: boolean;
}

export interface HeadType {
  id: string;
  name: string;
  /** The definition in words. */
  says: string;
  /** NaN where the sequence gives nothing to measure: no repeated token, no later key. */
  score(map: ArrayLike<number>, queries: number, keys: number, tokens: HeadTokens): number;
}

/** Mean over the rows that `pick` gives keys for, of the weight on these keys; NaN without such a row. */
function meanOn(
  map: ArrayLike<number>,
  queries: number,
  keys: number,
  pick: (i: number) => readonly number[],
  shape: (weight: number) => number = (w) => w,
): number {
  let total = 0;
  let rows = 0;
  for (let i = 0; i < queries; i++) {
    let weight = 0;
    let seen = false;
    for (const j of pick(i)) {
      const w = j >= 0 && j < keys ? map[i * keys + j]! : Number.NaN;
      if (Number.isNaN(w)) continue;
      weight += w;
      seen = true;
    }
    if (!seen) continue;
    total += shape(weight);
    rows++;
  }
  return rows === 0 ? Number.NaN : total / rows;
}

/** For each row, the places after earlier occurrences of its token. */
function afterEarlier(ids: readonly number[], i: number): number[] {
  const out: number[] = [];
  for (let j = 1; j <= i; j++) if (j - 1 < i && ids[j - 1] === ids[i] && j - 1 !== i) out.push(j);
  return out;
}

function earlierSame(ids: readonly number[], i: number): number[] {
  const out: number[] = [];
  for (let j = 0; j < i; j++) if (ids[j] === ids[i]) out.push(j);
  return out;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n);

/** Half the width of "local": itself and two neighbours on each side. */
export const localReach = 2;

export const headTypes: readonly HeadType[] = [
  {
    id: "previous",
    name: "Previous token",
    says: "mean weight on the token just before",
    score: (P, Lq, Lk, t) => (t.square ? meanOn(P, Lq, Lk, (i) => [i - 1]) : Number.NaN),
  },
  {
    id: "next",
    name: "Next token",
    says: "mean weight on the token just after (only where the future is visible)",
    score: (P, Lq, Lk, t) => (t.square ? meanOn(P, Lq, Lk, (i) => [i + 1]) : Number.NaN),
  },
  {
    id: "self",
    name: "Itself",
    says: "mean weight of a token on itself, the first one left out",
    score: (P, Lq, Lk, t) => (t.square ? meanOn(P, Lq, Lk, (i) => (i > 0 ? [i] : [])) : Number.NaN),
  },
  {
    id: "first",
    name: "First token (sink)",
    says: "mean weight on position 0, its own row left out; heads rest here when they find nothing",
    score: (P, Lq, Lk) => meanOn(P, Lq, Lk, (i) => (i > 0 ? [0] : [])),
  },
  {
    id: "delimiter",
    name: "Delimiters",
    says: "mean weight on punctuation and special tokens",
    score: (P, Lq, Lk, t) => {
      const at = range(0, Lk).filter((j) => t.delimiter[j]);
      return meanOn(P, Lq, Lk, () => at);
    },
  },
  {
    id: "local",
    name: "Neighbourhood",
    says: `mean weight within ${localReach} tokens of itself`,
    score: (P, Lq, Lk, t) =>
      t.square ? meanOn(P, Lq, Lk, (i) => (i > 0 ? range(i - localReach, i + localReach + 1) : [])) : Number.NaN,
  },
  {
    id: "duplicate",
    name: "Same token earlier",
    says: "mean weight on earlier occurrences of the same token, over tokens that have one",
    score: (P, Lq, Lk, t) => (t.square ? meanOn(P, Lq, Lk, (i) => earlierSame(t.ids, i)) : Number.NaN),
  },
  {
    id: "induction",
    name: "Induction",
    says: "mean weight on what followed earlier occurrences of the same token, over repeated tokens",
    score: (P, Lq, Lk, t) => (t.square ? meanOn(P, Lq, Lk, (i) => afterEarlier(t.ids, i)) : Number.NaN),
  },
  {
    id: "inductionStrict",
    name: "Induction, weights ≥ 0.3",
    says: "as induction, but a repeated token counts 0 when its weight is under 0.3",
    score: (P, Lq, Lk, t) =>
      t.square
        ? meanOn(
            P,
            Lq,
            Lk,
            (i) => afterEarlier(t.ids, i),
            (w) => (w >= 0.3 ? w : 0),
          )
        : Number.NaN,
  },
  {
    id: "inductionMass",
    name: "Induction, share of the map",
    says: "share of all the weight of the map that lies on the induction pattern",
    score: (P, Lq, Lk, t) => {
      if (!t.square) return Number.NaN;
      let on = 0;
      let all = 0;
      let any = false;
      for (let i = 0; i < Lq; i++) {
        const pattern = new Set(afterEarlier(t.ids, i));
        for (let j = 0; j < Lk; j++) {
          const w = P[i * Lk + j]!;
          if (Number.isNaN(w)) continue;
          all += w;
          if (pattern.has(j)) {
            on += w;
            any = true;
          }
        }
      }
      return any && all > 0 ? on / all : Number.NaN;
    },
  },
  {
    id: "alignment",
    name: "Monotone alignment",
    says: "mean weight within one token of the straight line from the first to the last pair (cross-attention)",
    score: (P, Lq, Lk, t) => {
      if (t.square || Lq < 2) return Number.NaN;
      return meanOn(P, Lq, Lk, (i) => {
        const j = Math.round((i * (Lk - 1)) / (Lq - 1));
        return [j - 1, j, j + 1];
      });
    },
  },
  {
    id: "broad",
    name: "Broad",
    says: "entropy of the row over the entropy of an even spread, mean over rows with a choice",
    score: (P, Lq, Lk) => {
      let total = 0;
      let rows = 0;
      for (let i = 0; i < Lq; i++) {
        let entropy = 0;
        let visible = 0;
        for (let j = 0; j < Lk; j++) {
          const w = P[i * Lk + j]!;
          if (Number.isNaN(w)) continue;
          visible++;
          if (w > 0) entropy -= w * Math.log(w);
        }
        if (visible < 2) continue;
        total += entropy / Math.log(visible);
        rows++;
      }
      return rows === 0 ? Number.NaN : total / rows;
    },
  },
];

/** The uniform head under the same rule: every visible key of a row gets the same weight. */
export function uniformMap(map: ArrayLike<number>, queries: number, keys: number): Float32Array {
  const out = new Float32Array(queries * keys).fill(Number.NaN);
  for (let i = 0; i < queries; i++) {
    let visible = 0;
    for (let j = 0; j < keys; j++) if (!Number.isNaN(map[i * keys + j]!)) visible++;
    for (let j = 0; j < keys; j++) if (!Number.isNaN(map[i * keys + j]!)) out[i * keys + j] = 1 / visible;
  }
  return out;
}

/** The type that stands out most: largest (score − chance)/(1 − chance); undefined when nothing passes `least`. */
export function leadingType(
  scores: Record<string, number>,
  chance: Record<string, number>,
  least = 0.3,
): { id: string; strength: number } | undefined {
  let best: { id: string; strength: number } | undefined;
  for (const { id } of headTypes) {
    if (id === "inductionStrict" || id === "inductionMass" || id === "broad" || id === "local") continue;
    const strength = (scores[id]! - chance[id]!) / (1 - chance[id]!);
    if (strength >= least && strength > (best?.strength ?? 0)) best = { id, strength };
  }
  if (best) return best;
  for (const [id, bar] of [
    ["local", 0.5],
    ["broad", 0.85],
  ] as const) {
    const s = id === "broad" ? scores[id]! : (scores[id]! - chance[id]!) / (1 - chance[id]!);
    if (s >= bar) return { id, strength: s };
  }
  return undefined;
}
