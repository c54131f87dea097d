/** @file Proof in words, numbers and pictures: the smallest call that shows a finding. */
import { number, numbers, sideBySide } from "../report/picture.js";
import type { ProbeRecord } from "../types.js";
import type { Lab } from "./lab.js";
import { allowedPairs, type Problem, type Shape, shapeOf } from "./problem.js";
import { type Recipe, simulate } from "./simulate.js";

/** Smallest first: a mistake is shown on the first shape on which it shows. */
export const smallShapes: readonly Shape[] = [
  shapeOf({ B: 1, H: 1, Lk: 2, D: 2 }),
  shapeOf({ B: 1, H: 1, Lk: 3, D: 2 }),
  shapeOf({ B: 1, H: 1, Lk: 3, D: 3 }),
  shapeOf({ B: 1, H: 2, Lk: 2, D: 2 }),
  shapeOf({ B: 2, H: 1, Lk: 2, D: 2 }),
  shapeOf({ B: 1, H: 2, Lk: 3, D: 3 }),
  shapeOf({ B: 2, H: 1, Lk: 3, D: 3 }),
  shapeOf({ B: 2, H: 2, Lk: 3, D: 3 }),
  shapeOf({ B: 2, H: 3, Lk: 3, D: 5 }),
  shapeOf({ B: 2, H: 3, Lk: 5, D: 7 }),
];

export interface Shown {
  evidence: string;
  probe: ProbeRecord;
}

/** The map [queries][keys] of one batch item and head. */
export function mapOf(weights: ArrayLike<number>, p: Shape, b: number, h: number): number[][] {
  return Array.from({ length: p.Lq }, (_, i) =>
    Array.from({ length: p.Lk }, (_, j) => weights[((b * p.H + h) * p.Lq + i) * p.Lk + j]!),
  );
}

/** The options of a call as data, masks as rows. */
export function optionsOf(p: Problem): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (p.causal) out["causal"] = true;
  if (p.scale !== undefined) out["scale"] = p.scale;
  if (p.mask) out["mask"] = rows(p.mask.data, p.mask.shape);
  if (p.keyPadding) out["keyPadding"] = rows(p.keyPadding, [p.B, p.Lk]);
  for (const [name, value] of Object.entries(p.extra ?? {})) out[name] = plain(value);
  return out;
}

function plain(value: unknown): unknown {
  if (value && typeof value === "object" && "data" in value && "shape" in value) {
    const t = value as { data: ArrayLike<number>; shape: number[] };
    return rows(t.data, t.shape);
  }
  return value;
}

function rows(data: ArrayLike<number>, shape: number[]): unknown {
  if (shape.length <= 1) return Array.from(data);
  const step = data.length / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, n) =>
    rows(
      Array.from({ length: step }, (_, m) => data[n * step + m]!),
      shape.slice(1),
    ),
  );
}

/** "q [1, 1, 2, 2], k [1, 1, 2, 2], options { causal: true }" */
export function callText(p: Problem, lab?: Lab): string {
  const axes = (x: number[]) =>
    `[${(lab?.rank === 3 ? [x[0], x[2], x[3]] : lab?.rank === 2 ? x.slice(2) : x).join(", ")}]`;
  const options = Object.entries(optionsOf(p)).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `q ${axes([p.B, p.H, p.Lq, p.D])}, k ${axes([p.B, p.Hk, p.Lk, p.D])}, options ${options.length ? `{ ${options.join(", ")} }` : "{}"}`;
}

/** Both maps of the batch item and head where they differ most. */
export function showMaps(
  p: Problem,
  expected: ArrayLike<number>,
  found: ArrayLike<number>,
  lab?: Lab,
  open?: Uint8Array,
): Shown {
  let at = 0;
  let worst = -1;
  for (let n = 0; n < expected.length; n++) {
    if (open?.[Math.floor(n / p.Lk)]) continue;
    const d = Number.isNaN(found[n]!) ? Number.POSITIVE_INFINITY : Math.abs(expected[n]! - found[n]!);
    if (d > worst) {
      worst = d;
      at = n;
    }
  }
  const j = at % p.Lk;
  const row = Math.floor(at / p.Lk);
  const [b, h, i] = [Math.floor(row / (p.H * p.Lq)), Math.floor(row / p.Lq) % p.H, row % p.Lq];
  const [want, got] = [mapOf(expected, p, b, h), mapOf(found, p, b, h)];
  const evidence = [
    `${callText(p, lab)}, v = identity, so the output is the map of weights`,
    `at batch ${b}, head ${h}, query ${i}, key ${j}: weight ${number(found[at]!)}, expected ${number(expected[at]!)}`,
    sideBySide(want, got),
    ...(sameSupport(want, got) ? ["the weights, expected above found:", numbers(want), "", numbers(got)] : []),
  ].join("\n");
  const { B, H, Lq, Lk, D } = p;
  return {
    evidence,
    probe: { shape: { B, H, Lq, Lk, D }, options: optionsOf(p), expected: want, found: got, at: { batch: b, head: h } },
  };
}

const sameSupport = (a: number[][], b: number[][]): boolean =>
  a.every((row, i) => row.every((x, j) => x > 0 === b[i]![j]! > 0 && !Number.isNaN(b[i]![j]!)));

/**
 * Looks for the smallest shape on which the candidate's weights are visibly not the expected ones.
 * @param make the problem on a shape; undefined where the shape does not serve
 * @param recipe what is expected, beyond the options of the problem
 */
export async function shrink(
  lab: Lab,
  make: (shape: Shape) => Problem | undefined,
  recipe: (p: Problem) => Recipe,
  tolerance: number,
): Promise<Shown | undefined> {
  for (const shape of smallShapes) {
    const p = make(lab.fit({ ...shape }));
    if (!p) continue;
    const got = await lab.weights(p);
    if (!got.ok) continue;
    const want = simulate(p, { ...recipe(p), maskings: [{ pairs: allowedPairs(p), mechanism: { kind: "absent" } }] });
    const differs = got.weights.some((w, n) => {
      if (want.dead[Math.floor(n / p.Lk)]) return false;
      return !(Math.abs(w - want.weights[n]!) <= Math.max(5 * tolerance, 1e-3)) || (want.weights[n] === 0 && w !== 0);
    });
    if (differs) return showMaps(p, want.weights, got.weights, lab, want.dead);
  }
  return undefined;
}
