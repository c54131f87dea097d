/** @file Numbers that chapters speak of, computed when they are read: what a missing scale does, and where heads rest. */
import { normals } from "../../tensor/random.js";
import { visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";
import { valueWeightedMaps } from "./value-weighted.js";

export interface ScaleAsked {
  /** Keys a query chooses from. */
  keys: number;
  /** Sizes of q and k. */
  sizes: number[];
}
export interface ScaleShown {
  rows: {
    size: number;
    /** Root mean square of q·k. */
    spread: number;
    /** Mean largest weight of a row: as it comes, and divided by √d. */
    top: [bare: number, scaled: number];
    /** ‖∂p/∂s‖ = ‖diag(p) − ppᵀ‖ (Frobenius) of the middle query: how much of a slope passes the softmax. */
    slope: [bare: number, scaled: number];
  }[];
}

/** Queries that are tried. */
const tried = 200;

/** The lab call "scale": q and k of independent normal numbers, the same each time. */
export const scale: LabCall = async (asked, options, context) => {
  const { keys, sizes } = asked as ScaleAsked;
  const rows: ScaleShown["rows"] = [];
  for (const size of sizes) {
    const [q, k] = [normals(1, tried * size), normals(2, keys * size)];
    let squares = 0;
    const top: [number, number] = [0, 0];
    const slopes: [number[], number[]] = [[], []];
    for (let i = 0; i < tried; i++) {
      const dots = Array.from({ length: keys }, (_, j) => {
        let dot = 0;
        for (let d = 0; d < size; d++) dot += q[i * size + d]! * k[j * size + d]!;
        return dot;
      });
      squares += dots.reduce((sum, x) => sum + x * x, 0);
      for (const which of [0, 1] as const) {
        const p = softmax(dots.map((x) => (which === 0 ? x : x / Math.sqrt(size))));
        top[which] += Math.max(...p) / tried;
        slopes[which].push(slope(p));
      }
    }
    rows.push({ size, spread: Math.sqrt(squares / tried / keys), top, slope: [middle(slopes[0]), middle(slopes[1])] });
    await context.breathe();
    options.signal?.throwIfAborted();
  }
  return { rows } satisfies ScaleShown;
};

function softmax(scores: number[]): number[] {
  const most = Math.max(...scores);
  const e = scores.map((s) => Math.exp(s - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}

/** ‖diag(p) − ppᵀ‖² = Σp² − 2Σp³ + (Σp²)², summed from the largest p's remainder so that nothing cancels. */
function slope(p: number[]): number {
  let square = 0;
  const at = p.indexOf(Math.max(...p));
  const rest = p.reduce((sum, x, n) => (n === at ? sum : sum + x), 0); // 1 − p_max, exactly
  p.forEach((x, i) => {
    const own = x * (i === at ? rest : 1 - x);
    square += own * own;
    for (let j = 0; j < i; j++) square += 2 * (x * p[j]!) ** 2;
  });
  return Math.sqrt(square);
}

const middle = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

export interface RestingShown {
  /** Each head: mean weight on the first token over later ones, and the same weighed by values; null where v was not kept. */
  heads: { layer: number; head: number; first: number; weighed: number | null }[];
}

/** The lab call "resting": how much of a head's looking lies on the first token, from the fifth token on. */
export const resting: LabCall = async (asked, _options, context) => {
  const { run, kind } = asked as { run: number; kind: Kind };
  const { result, source, kinds } = context.run(run);
  const view = kinds.find((k) => k.kind === kind)!;
  const from = Math.min(4, view.queries - 1); // the first few see little else
  const heads: RestingShown["heads"] = [];
  const mean = (map: Float32Array): number => {
    let sum = 0;
    for (let i = from; i < view.queries; i++) sum += map[i * view.keys] || 0;
    return sum / (view.queries - from);
  };
  const filter = { hideSpecial: false, hideFirst: false, renormalise: false, words: false };
  for (const layer of view.layers) {
    const record = result.trace.record(layer, kind);
    const size = view.queries * view.keys;
    const weighed = view.hasValues
      ? valueWeightedMaps(result.trace, source, view, { layer, filter }).values
      : undefined;
    for (let head = 0; head < record.heads; head++)
      heads.push({
        layer,
        head,
        first: mean(visibleWeights(record, { head })),
        weighed: weighed ? mean(weighed.subarray(head * size, (head + 1) * size)) : null,
      });
    await context.breathe();
  }
  return { heads } satisfies RestingShown;
};
