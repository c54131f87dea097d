/**
 * @file What a candidate does with pairs that may not attend.
 *
 * A path is one way of saying which pairs are out: `mask` in its broadcast shapes, `keyPadding`, `causal`. On each path
 * two things can be wrong: which pairs are taken to be out (pair mistakes: inverted, transposed, off by one …) and what
 * is done with them (mechanism mistakes: multiplied, a constant, after softmax). Both are simulated in all combinations
 * over the candidate's own base recipe; constants are read off the weights:
 *     s_ij − ln W_ij = lse_i for the keys a query sees, so a masked key's score was u_ij = ln W_ij + lse_i
 *     u the same everywhere → the score was replaced by u          u − s the same everywhere → u − s was added
 */
import { type Base, base } from "./base.js";
import { distance, finite } from "./compare.js";
import type { Lab } from "./lab.js";
import {
  asymmetricMask,
  asymmetricPadding,
  causalPairs,
  maskPairs,
  type Pairs,
  paddingPairs,
  type Problem,
  problem,
  type Shape,
  shapeOf,
} from "./problem.js";
import { type Mechanism, rawScores, simulate } from "./simulate.js";

export const pathNames = ["mask", "mask per item", "mask of keys", "mask for all", "keyPadding", "causal"] as const;
export type PathName = (typeof pathNames)[number];

/** The paths a candidate is expected to have in this form; other mask shapes follow from them. */
export const pathSays: Record<PathName, string> = {
  mask: "mask [B, H, Lq, Lk]",
  "mask per item": "mask [B, 1, Lq, Lk]",
  "mask of keys": "mask [B, 1, 1, Lk]",
  "mask for all": "mask [1, 1, Lq, Lk]",
  keyPadding: "keyPadding [B, Lk]",
  causal: "causal: true",
};

export interface PairMistake {
  /** Left out for a departure that harms nobody. */
  rule?: string;
  says: string;
  paths: readonly PathName[];
  /** The pairs the candidate lets attend, on a problem of the path. */
  pairs(p: Problem, path: PathName): Pairs;
  severity?: "warning" | "info";
  /** The option makes no difference at all. */
  hidesNothing?: true;
}

export interface MechanismMistake {
  rule: string;
  says: string;
  mechanism: Mechanism;
}

export interface PathVerdict {
  path: PathName;
  status: "right" | "explained" | "unexplained" | "NaN" | "fails" | "base";
  pair?: PairMistake;
  mechanism?: MechanismMistake;
  /** A constant that was read off, for mask-constant-wrong. */
  constant?: { kind: "fill" | "add"; value: number };
  /** Why the path fails. */
  message?: string;
  problem: Problem;
  weights?: Float64Array;
}

/** A problem that uses one path. Masks are asymmetric, and no row is dead even when read the wrong way. */
export function pathProblem(path: PathName, shape: Shape, seed: number): Problem {
  const p = problem(shape, seed);
  const { B, H, Lq, Lk } = shape;
  switch (path) {
    case "mask":
      return { ...p, mask: asymmetricMask([B, H, Lq, Lk], seed) };
    case "mask per item":
      return { ...p, mask: asymmetricMask([B, 1, Lq, Lk], seed) };
    case "mask of keys":
      return { ...p, mask: asymmetricMask([B, 1, 1, Lk], seed) };
    case "mask for all":
      return { ...p, mask: asymmetricMask([1, 1, Lq, Lk], seed) };
    case "keyPadding":
      return { ...p, keyPadding: asymmetricPadding(B, Lk, seed) };
    case "causal":
      return { ...p, causal: true };
  }
}

/** The pairs a path's problem allows, by the right meaning. */
export function rightPairs(p: Problem): Pairs {
  if (p.mask) return maskPairs(p, p.mask);
  if (p.keyPadding) return paddingPairs(p, p.keyPadding);
  return p.causal ? causalPairs(p) : () => true;
}

const shapes = [shapeOf({ B: 2, H: 3, Lk: 5, D: 7 }), shapeOf({ B: 3, H: 2, Lk: 7, D: 11 })];

export function pathVerdict(lab: Lab, path: PathName): Promise<PathVerdict> {
  return lab.once(`path ${path}`, async () => {
    const known = await base(lab);
    const problems = shapes.map((s) => pathProblem(path, lab.fit({ ...s }), lab.seed));
    const p = problems[0]!;
    if (
      known.status === "fails" ||
      known.status === "unexplained" ||
      known.mistakes.some((m) => m.layout || m.operands)
    ) {
      return { path, status: "base", problem: p };
    }
    const read: { p: Problem; weights: Float64Array }[] = [];
    for (const one of problems) {
      const got = await lab.weights(one);
      if (!got.ok) return { path, status: "fails", message: got.message, problem: one };
      read.push({ p: one, weights: got.weights });
    }
    const verdict = explain(lab, known, path, read);
    return { ...verdict, path, problem: p, weights: read[0]!.weights };
  });
}

type Read = { p: Problem; weights: Float64Array };

function explain(lab: Lab, known: Base, path: PathName, read: Read[]): Omit<PathVerdict, "path" | "problem"> {
  const pairMistakes = lab.catalogue.pairs.filter((m) => m.paths.includes(path));
  const harmless = pairMistakes.filter((m) => m.rule === undefined);
  const harmful = pairMistakes.filter((m) => m.rule !== undefined);
  const raws = read.map(({ p }) => rawScores(p, known.recipe(p)));
  /** How many rows a hypothesis leaves open, when it reproduces the rest; the fewest is the best explanation. */
  const opens = (pair?: PairMistake, mechanism?: Mechanism): number | undefined => {
    let open = 0;
    for (const [n, { p, weights }] of read.entries()) {
      const pairs = pair ? pair.pairs(p, path) : rightPairs(p);
      const dead = matches(known, p, weights, pairs, mechanism ?? { kind: "absent" }, raws[n]!);
      if (dead === undefined) return undefined;
      open += dead;
    }
    return open;
  };
  const best = <T>(list: readonly T[], open: (x: T) => number | undefined): T | undefined =>
    list
      .map((x) => ({ x, n: open(x) }))
      .filter((y): y is { x: T; n: number } => y.n !== undefined)
      .sort((y, z) => y.n - z.n)[0]?.x;
  if (opens() !== undefined) return { status: "right" };
  const soft = best(harmless, (m) => opens(m));
  const hard = best(harmful, (m) => opens(m));
  if (soft && (!hard || opens(soft)! < opens(hard)!)) return { status: "right", pair: soft };
  if (hard) return { status: "explained", pair: hard };
  for (const m of lab.catalogue.mechanisms)
    if (opens(undefined, m.mechanism) !== undefined) return { status: "explained", mechanism: m };
  for (const pair of harmful)
    for (const mechanism of lab.catalogue.mechanisms)
      if (opens(pair, mechanism.mechanism) !== undefined) return { status: "explained", pair, mechanism };
  for (const pair of [undefined, ...harmful]) {
    const constants = read.map(({ p, weights }, n) =>
      readConstant(known, p, weights, pair ? pair.pairs(p, path) : rightPairs(p), raws[n]!),
    );
    const [first, ...rest] = constants;
    if (
      !first ||
      rest.some(
        (c) =>
          !c || c.kind !== first.kind || Math.abs(c.value - first.value) > 0.05 * Math.max(1, Math.abs(first.value)),
      )
    )
      continue;
    return { status: "explained", constant: first, ...(pair ? { pair } : {}) };
  }
  return { status: read.some(({ weights }) => !finite(weights)) ? "NaN" : "unexplained" };
}

/** Below this a weight says nothing of the score it came from: float32 ends at 1e-38, its denormals carry few digits. */
const vanished = 1e-30;

/** The number of open rows when the weights are those of the hypothesis, else undefined. */
function matches(
  known: Base,
  p: Problem,
  weights: Float64Array,
  pairs: Pairs,
  mechanism: Mechanism,
  raw: Float64Array,
): number | undefined {
  const made = simulate(p, { ...known.recipe(p), maskings: [{ pairs, mechanism }] }, raw);
  const open = (n: number) => made.dead[Math.floor(n / p.Lk)] === 1;
  for (let n = 0; n < weights.length; n++) {
    // A weight that should be nothing is nothing: e^−60 can be told from 0, and is a constant and not a mask.
    if (made.weights[n] === 0 && Math.abs(weights[n]!) > vanished && !open(n)) return undefined;
  }
  if (distance(weights, made.weights, open) > known.tolerance) return undefined;
  return made.dead.reduce((sum, d) => sum + d, 0);
}

/** The score that masked keys seem to have had, when it is one number (or one number more than their own). */
export function readConstant(
  known: Base,
  p: Problem,
  weights: Float64Array,
  pairs: Pairs,
  raw: Float64Array,
): { kind: "fill" | "add"; value: number } | undefined {
  const recipe = known.recipe(p);
  if ((recipe.softmax ?? "keys") !== "keys" || !finite(weights)) return undefined;
  const scale = recipe.scale ?? 1;
  const slack = known.tolerance < 1e-3 ? 2e-2 : 0.3;
  const fill: number[] = [];
  const add: number[] = [];
  for (let row = 0; row < p.B * p.H * p.Lq; row++) {
    const [b, h, i] = [Math.floor(row / (p.H * p.Lq)), Math.floor(row / p.Lq) % p.H, row % p.Lq];
    const seen: number[] = [];
    for (let j = 0; j < p.Lk; j++) {
      const n = row * p.Lk + j;
      if (pairs(b, h, i, j)) seen.push(raw[n]! * scale - Math.log(weights[n]!));
    }
    if (seen.length === 0) continue;
    const lse = seen.reduce((a, x) => a + x, 0) / seen.length;
    if (!seen.every((x) => Math.abs(x - lse) < slack)) return undefined;
    for (let j = 0; j < p.Lk; j++) {
      const n = row * p.Lk + j;
      if (pairs(b, h, i, j) || Math.abs(weights[n]!) <= vanished) continue;
      fill.push(Math.log(weights[n]!) + lse);
      add.push(Math.log(weights[n]!) + lse - raw[n]! * scale);
    }
  }
  if (fill.length === 0) return undefined;
  const mean = (x: number[]) => x.reduce((a, y) => a + y, 0) / x.length;
  const steady = (x: number[]) => x.every((y) => Math.abs(y - mean(x)) < slack * 2);
  if (steady(fill)) return { kind: "fill", value: mean(fill) };
  if (steady(add)) return { kind: "add", value: mean(add) };
  return undefined;
}
