/**
 * @file The head finder's numbers: how alike the maps of two heads are, which heads are nearest to one, which stand together.
 *
 * Likeness of two heads on the same text is the mean over rows of Σ_j √(p_j·q_j) (Bhattacharyya): 1 = the same map, 0 = no
 * key in common. Distance = √(1 − likeness), Hellinger's, a metric. With x = √p as one long vector a head, all pairs are
 * one matrix product. Long maps are pooled to at most 24 × 24 blocks first: rows by mean, columns by sum, so rows still sum to 1.
 */
import { ops } from "../../kernels/index.js";
import { tensor } from "../../tensor/index.js";
import { type Trace, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { Kind, KindView } from "./protocol.js";

/** Blocks a side above which maps are pooled. */
const side = 24;
/** Longest part of a text that is compared. */
const longest = 512;

export interface FinderShown {
  /** [layer, head] of each row of `distance`. */
  heads: [layer: number, head: number][];
  /** [n, n], 0 … 1. */
  distance: Float32Array;
  /** Joins of average linkage, nearest first: two nodes and their distance; node n + i is the i-th join. */
  joins: [a: number, b: number, distance: number][];
  /** Numbers beside the head types, each 0 … 1. */
  metrics: { id: string; name: string; says: string; values: number[] }[];
}

/** The lab call "finder". */
export const finder: LabCall = async (asked, options, context) => {
  const { run, kind } = asked as { run: number; kind: Kind };
  const { result, kinds } = context.run(run);
  return findHeads(result.trace, kinds.find((k) => k.kind === kind)!, options.onProgress, context.breathe);
};

export async function findHeads(
  trace: Trace,
  view: KindView,
  onProgress?: (done: number, total: number, says: string) => void,
  breathe: () => Promise<void> = async () => {},
): Promise<FinderShown> {
  const [Lq, Lk] = [Math.min(view.queries, longest), Math.min(view.keys, longest)];
  const [R, C] = [Math.min(Lq, side), Math.min(Lk, side)];
  const heads: [number, number][] = view.layers.flatMap((l) =>
    [...Array(trace.record(l, view.kind).heads).keys()].map((h): [number, number] => [l, h]),
  );
  const x = new Float32Array(heads.length * R * C);
  const values = metricList.map(() => [] as number[]);
  for (const [n, [layer, head]] of heads.entries()) {
    const map = visibleWeights(trace.record(layer, view.kind), { head, rows: [0, Lq], columns: [0, Lk] });
    rootOfBlocks(map, Lq, Lk, R, C, x.subarray(n * R * C, (n + 1) * R * C));
    metricList.forEach((m, i) => values[i]!.push(m.of(map, Lq, Lk)));
    if (n % 16 === 15) {
      onProgress?.(n + 1, heads.length, "heads compared");
      await breathe();
    }
  }
  const distance = distances(x, heads.length, R * C);
  await breathe();
  return {
    heads,
    distance,
    joins: averageLinkage(distance, heads.length),
    metrics: metricList.map(({ id, name, says }, i) => ({ id, name, says, values: values[i]! })),
  };
}

/** √ of the pooled map, each row scaled by 1/√R so that a head's vector has length 1. */
function rootOfBlocks(map: Float32Array, Lq: number, Lk: number, R: number, C: number, out: Float32Array): void {
  const sums = new Float64Array(R);
  for (let i = 0; i < Lq; i++) {
    const r = Math.floor((i * R) / Lq);
    for (let j = 0; j < Lk; j++) {
      const w = map[i * Lk + j]!;
      if (!(w > 0)) continue;
      out[r * C + Math.floor((j * C) / Lk)]! += w;
      sums[r]! += w;
    }
  }
  const rows = sums.reduce((n, s) => n + (s > 0 ? 1 : 0), 0);
  for (let n = 0; n < out.length; n++) if (out[n]! > 0) out[n] = Math.sqrt(out[n]! / sums[Math.floor(n / C)]! / rows);
}

function distances(x: Float32Array, n: number, width: number): Float32Array {
  const matrix = tensor(x, [n, width]);
  const alike = ops().scope(() => ops().linear(matrix, matrix));
  const out = new Float32Array(n * n);
  for (let a = 0; a < n; a++) {
    for (let b = 0; b < a; b++) {
      // 1 − x·y loses what two equal heads share to rounding: under 1e-6 they are the same.
      const gap = 1 - Math.min(1, alike.data[a * n + b]!);
      out[a * n + b] = out[b * n + a] = gap < 1e-6 ? 0 : Math.sqrt(gap);
    }
  }
  return out;
}

/**
 * Average linkage by chains of nearest neighbours: O(n²). Murtagh 1983, "A survey of recent advances in hierarchical
 * clustering algorithms". @returns n − 1 joins, ascending in distance
 */
export function averageLinkage(given: Float32Array, n: number): [number, number, number][] {
  const d = Float64Array.from(given);
  const size = new Int32Array(n).fill(1);
  const alive = new Uint8Array(n).fill(1);
  const raw: [number, number, number][] = [];
  const chain: number[] = [];
  for (let left = n; left > 1; ) {
    if (chain.length === 0) chain.push(alive.indexOf(1));
    const a = chain.at(-1)!;
    const before = chain.at(-2);
    let b = before ?? -1;
    for (let m = 0; m < n; m++) if (alive[m] && m !== a && (b < 0 || d[a * n + m]! < d[a * n + b]!)) b = m;
    if (b !== before) {
      chain.push(b);
      continue;
    }
    chain.length -= 2;
    raw.push([Math.min(a, b), Math.max(a, b), d[a * n + b]!]);
    const [keep, drop] = [Math.min(a, b), Math.max(a, b)];
    for (let m = 0; m < n; m++) {
      if (!alive[m] || m === keep || m === drop) continue;
      const mean = (size[keep]! * d[keep * n + m]! + size[drop]! * d[drop * n + m]!) / (size[keep]! + size[drop]!);
      d[keep * n + m] = d[m * n + keep] = mean;
    }
    size[keep]! += size[drop]!;
    alive[drop] = 0;
    left--;
  }
  // In the order of their distance, named by the node each side has become.
  const node = Int32Array.from({ length: n }, (_, i) => i);
  const parent = Int32Array.from({ length: n }, (_, i) => i);
  const top = (i: number): number => {
    let at = i;
    while (parent[at] !== at) at = parent[at]!;
    return at;
  };
  return raw
    .map((join, order) => ({ join, order }))
    .sort((p, q) => p.join[2] - q.join[2] || p.order - q.order)
    .map(({ join: [a, b, distance] }, i) => {
      const [ra, rb] = [top(a), top(b)];
      const out: [number, number, number] = [node[ra]!, node[rb]!, distance];
      parent[rb] = ra;
      node[ra] = n + i;
      return out;
    });
}

/** Numbers a map has by itself, each in 0 … 1. */
const metricList: { id: string; name: string; says: string; of(map: Float32Array, Lq: number, Lk: number): number }[] =
  [
    {
      id: "peak",
      name: "Largest weight",
      says: "mean over rows of the largest weight",
      of: (P, Lq, Lk) => meanRows(P, Lq, Lk, (row) => row.reduce((m, w) => Math.max(m, w || 0), 0)),
    },
    {
      id: "reach",
      name: "Distance looked",
      says: "mean of |key − query| under the weights, as a share of the text",
      of: (P, Lq, Lk) =>
        meanRows(P, Lq, Lk, (row, i) => row.reduce((s, w, j) => s + (w || 0) * Math.abs(j - i), 0)) /
        Math.max(1, Lk - 1),
    },
    {
      id: "few",
      name: "Keys that hold 90 %",
      says: "the fewest keys that carry nine tenths of a row, as a share of those it may see",
      of: (P, Lq, Lk) =>
        meanRows(P, Lq, Lk, (row) => {
          const seen = [...row].filter((w) => !Number.isNaN(w)).sort((a, b) => b - a);
          if (seen.length < 2) return Number.NaN;
          let [sum, n] = [0, 0];
          while (n < seen.length && sum < 0.9) sum += seen[n++]!;
          return n / seen.length;
        }),
    },
  ];

function meanRows(P: Float32Array, Lq: number, Lk: number, of: (row: Float32Array, i: number) => number): number {
  let [total, rows] = [0, 0];
  for (let i = 0; i < Lq; i++) {
    const x = of(P.subarray(i * Lk, (i + 1) * Lk), i);
    if (Number.isNaN(x)) continue;
    total += x;
    rows++;
  }
  return rows > 0 ? total / rows : Number.NaN;
}
