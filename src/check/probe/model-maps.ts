/** @file Which outputs of a model move with which tokens, and what pattern that is. */
import { sideBySide } from "../report/picture.js";
import type { Found } from "../rule.js";
import { at, type ModelLab, moved } from "./model-lab.js";
import { gap } from "./model-lab.js";

/** moves[i][j]: output i moves when token j is another. */
export interface Dependence {
  moves: boolean[][];
  ids: number[];
  mask: number[];
}

/** The map of dependence of one text under a mask. @returns a reason when it cannot be read */
export async function dependence(lab: ModelLab, ids: number[], mask: number[]): Promise<Dependence | string> {
  const first = await lab.ask([ids], [mask]);
  if (!first.ok) return first.message;
  if (!first.tokens) return "the model gives one vector for a text, none for each token";
  const L = ids.length;
  const moves = Array.from({ length: L }, () => new Array<boolean>(L).fill(false));
  for (let j = 0; j < L; j++) {
    for (const step of [1, 5]) {
      const changed = ids.map((id, n) => (n === j ? lab.other(id, step) : id));
      const answer = await lab.ask([changed], [mask]);
      if (!answer.ok || !answer.tokens) return "a call with another token failed";
      for (let i = 0; i < L; i++) if (gap(at(answer, 0, i), at(first, 0, i)) > moved) moves[i]![j] = true;
    }
  }
  return { moves, ids, mask };
}

/** The map of a plain text of seven tokens. */
export function plainMap(lab: ModelLab): Promise<Dependence | string> {
  return lab.once("plain map", async () => {
    const length = Math.min(7, lab.config.maxLength ?? 7);
    const ids = lab.ids(length, 11);
    return dependence(
      lab,
      ids,
      ids.map(() => 1),
    );
  });
}

/** The verdict over texts of seven and of five tokens. */
function plainVerdict(lab: ModelLab, map: Dependence): Promise<Verdict> {
  return lab.once("plain verdict", async () => {
    const ids = lab.ids(5, 12);
    const short = await dependence(
      lab,
      ids,
      ids.map(() => 1),
    );
    return readMaps(typeof short === "string" ? [map.moves] : [map.moves, short.moves], lab.config);
  });
}

export type Verdict =
  | { name: "right" | "window" }
  | {
      name:
        | "future-leak"
        | "causal-reversed"
        | "causal-off-by-one"
        | "heads-split-without-transpose"
        | "heads-merged-without-transpose"
        | "narrow";
      says: string;
    };

const closure = (m: boolean[][], n: number): boolean[][] => {
  let out = m;
  for (let k = 1; k < n; k++) out = out.map((row) => m[0]!.map((_, j) => row.some((x, t) => x && m[t]![j])));
  return out;
};
const equal = (a: boolean[][], b: boolean[][]) => a.every((row, i) => row.every((x, j) => x === b[i]![j]));

/** What maps of dependence, of texts of different lengths, say about a model's attention. */
export function readMaps(maps: boolean[][][], config: ModelLab["config"]): Verdict {
  const moves = maps[0]!;
  const L = moves.length;
  const causal = Boolean(config.causal);
  const is = (f: (i: number, j: number) => boolean) =>
    maps.every((m) =>
      equal(
        m,
        m.map((row, i) => row.map((_, j) => f(i, j))),
      ),
    );
  if (is((i, j) => !causal || j <= i)) return { name: "right" };
  if (causal && config.slidingWindow && moves.every((row, i) => row.every((x, j) => !x || j <= i)))
    return { name: "window" };
  if (causal && is((i, j) => j >= i)) {
    return { name: "causal-reversed", says: "an output moves with its own and later tokens and not with earlier ones" };
  }
  if (causal)
    for (const n of [1, 2, 3, 4])
      if (n < L - 1 && is((i, j) => j <= i + n)) {
        const says =
          n === 1
            ? "output i moves with token i + 1, the next one"
            : `output i moves with tokens to i + ${n}, one more with each layer`;
        return { name: "causal-off-by-one", says };
      }
  const heads = is(() => true) ? undefined : reshaped(maps, config);
  if (heads) return heads;
  const future = moves.findIndex((row, i) => row.some((x, j) => x && j > i));
  if (causal && future >= 0) {
    const j = moves[future]!.findIndex((x, c) => x && c > future);
    return { name: "future-leak", says: `output ${future} moves with token ${j}, which comes later` };
  }
  return { name: "narrow", says: "some outputs do not move with tokens they should see" };
}

/** The pattern that a reshape in place of a transpose makes, for some number of heads and layers. */
function reshaped(maps: boolean[][][], config: ModelLab["config"]): Verdict | undefined {
  const causal = Boolean(config.causal);
  for (const n of config.layers ? [config.layers] : [1, 2, 3, 4])
    for (const heads of config.heads ? [config.heads] : [2, 3, 4, 6, 8, 12, 16])
      for (const kind of ["split", "both", "merge"] as const) {
        if (!maps.every((m) => equal(m, closure(misheaded(m.length, heads, causal, kind), n)))) continue;
        const name = kind === "merge" ? "heads-merged-without-transpose" : "heads-split-without-transpose";
        return {
          name,
          says: `outputs move with just the tokens that a reshape without transpose brings together, with ${heads} heads`,
        };
      }
  return undefined;
}

/** Dependence in one layer with a residual when heads are split or merged by a reshape alone. */
function misheaded(L: number, H: number, causal: boolean, kind: "split" | "merge" | "both"): boolean[][] {
  const token = (h: number, i: number) => Math.floor((h * L + i) / H);
  const m = Array.from({ length: L }, (_, i) => Array.from({ length: L }, (_, j) => i === j));
  for (let h = 0; h < H; h++)
    for (let i = 0; i < L; i++) {
      const to = kind === "split" ? i : token(h, i);
      for (let j = 0; j < L; j++) {
        if (causal && j > i) continue;
        m[to]![kind === "merge" ? j : token(h, j)] = true;
      }
      m[to]![kind === "merge" ? i : token(h, i)] = true;
    }
  return m;
}

/** A finding with the map as it should be and as it was found. */
export function mapFinding(
  lab: ModelLab,
  d: Dependence,
  says: string,
  expected: (i: number, j: number) => boolean,
): Found {
  const number = (m: boolean[][]) => m.map((row) => row.map((x) => (x ? 1 : 0)));
  const want = d.moves.map((row, i) => row.map((_, j) => (expected(i, j) ? 1 : 0)));
  const found = number(d.moves);
  return {
    message: `${says.charAt(0).toUpperCase()}${says.slice(1)}.`,
    evidence: `ids ${JSON.stringify([d.ids])}, attentionMask ${JSON.stringify([d.mask])}; ■ where output i (row) moves when token j (column) is another\n${sideBySide(want, found)}`,
    probe: {
      shape: { B: 1, L: d.ids.length, vocabulary: lab.config.vocabSize },
      options: { ids: [d.ids], attentionMask: [d.mask] },
      expected: want,
      found,
    },
  };
}

/** The finding of a rule, when the plain map has its pattern. */
export async function mapOutcome(lab: ModelLab, name: string): Promise<Found | "clear" | { notTested: string }> {
  const map = await plainMap(lab);
  if (typeof map === "string") return { notTested: map };
  const verdict = await plainVerdict(lab, map);
  if (verdict.name !== name || !("says" in verdict)) return "clear";
  return mapFinding(lab, map, verdict.says, (i, j) => !lab.config.causal || j <= i);
}
