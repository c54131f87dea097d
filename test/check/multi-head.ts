/** @file Multi-head modules, right and wrong: projections, split, attention, merge. */
import { Random } from "../../src/check/probe/numbers.js";
import type { MultiHeadModule, Numbers } from "../../src/check/types.js";

export interface Wrong {
  split?: boolean;
  merge?: boolean;
  shared?: boolean;
  scale?: (D: number, H: number) => number;
  transposed?: boolean;
  names?: "torch" | "short";
}

export function multiHead(wrong: Wrong = {}): MultiHeadModule {
  const [H, D] = [3, 4];
  const dModel = H * D;
  const r = new Random(5);
  const size = wrong.shared ? D : dModel;
  const make = (n: number) => r.grid(n * n, 0.5);
  const w = { q: make(size), k: make(size), v: make(size), o: make(dModel) };
  const apply = (m: Float32Array, n: number, x: Float32Array) => {
    const out = new Float32Array(x.length);
    for (let row = 0; row < x.length / n; row++)
      for (let o = 0; o < n; o++)
        for (let i = 0; i < n; i++) out[row * n + o]! += x[row * n + i]! * m[wrong.transposed ? i * n + o : o * n + i]!;
    return out;
  };
  const tensor = (data: Float32Array, n: number) => ({ data, shape: [n, n] });
  const names =
    wrong.names === "torch"
      ? ["q_proj.weight", "k_proj.weight", "v_proj.weight", "out_proj.weight"]
      : ["q", "k", "v", "o"];
  return {
    heads: H,
    weights: {
      [names[0]!]: tensor(w.q, size),
      [names[1]!]: tensor(w.k, size),
      [names[2]!]: tensor(w.v, size),
      [names[3]!]: tensor(w.o, dModel),
    },
    forward(x: Numbers) {
      const [B, L] = x.shape as [number, number];
      const [q, k, v] = [w.q, w.k, w.v].map((m) => apply(m, size, x.data)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const at = (b: number, h: number, i: number, d: number, wrongly?: boolean) =>
        wrongly ? ((b * H + h) * L + i) * D + d : ((b * L + i) * H + h) * D + d;
      const mixed = new Float32Array(q.length);
      const scale = wrong.scale ? wrong.scale(D, H) : 1 / Math.sqrt(D);
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let i = 0; i < L; i++) {
            const e = Array.from({ length: L }, (_, j) => {
              let s = 0;
              for (let d = 0; d < D; d++) s += q[at(b, h, i, d, wrong.split)]! * k[at(b, h, j, d, wrong.split)]!;
              return Math.exp(s * scale);
            });
            const l = e.reduce((a, y) => a + y, 0);
            e.forEach((y, j) => {
              for (let d = 0; d < D; d++)
                mixed[at(b, h, i, d, wrong.merge)]! += (y / l) * v[at(b, h, j, d, wrong.split)]!;
            });
          }
      return { data: apply(w.o, dModel, mixed), shape: [B, L, dModel] };
    },
  };
}

export const plantedModules: Record<string, Record<string, () => MultiHeadModule>> = {
  "project-after-split": {
    "projects slices": () => multiHead({ shared: true }),
    "projects slices, [in, out]": () => multiHead({ shared: true, transposed: true }),
    "projects slices, torch's names": () => multiHead({ shared: true, names: "torch" }),
  },
  "heads-split-without-transpose": {
    "split by reshape": () => multiHead({ split: true }),
    "split and merged": () => multiHead({ split: true, merge: true }),
  },
  "heads-merged-without-transpose": { "merged by reshape": () => multiHead({ merge: true, transposed: true }) },
  "scale-missing": { "no scale": () => multiHead({ scale: () => 1 }) },
  "scale-d_model": { "√dModel": () => multiHead({ scale: (D, H) => 1 / Math.sqrt(D * H), names: "torch" }) },
};
export const rightModules: Record<string, () => MultiHeadModule> = {
  "[out, in]": () => multiHead(),
  "[in, out], torch's names": () => multiHead({ transposed: true, names: "torch" }),
};
