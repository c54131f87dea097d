/**
 * @file The laboratory for multi-head modules: x [B, L, dModel] → [B, L, dModel], with the projections known.
 *
 * With the weights at hand the whole module is simulated, mistakes and all, and the simulation that reproduces its
 * output is the diagnosis, as with bare functions.
 */
import type { ModuleCandidate } from "../candidate/candidate.js";
import { readValue } from "../candidate/value.js";
import type { CheckOptions, Numbers } from "../types.js";
import { distance } from "./compare.js";
import { Random } from "./numbers.js";
import { simulate } from "./simulate.js";

/** What a multi-head module may get wrong. */
export interface ModuleMistake {
  rule: string;
  says: string;
  split?: "reshape";
  merge?: "reshape";
  scale?: (D: number, H: number) => number;
  softmax?: "queries" | "heads" | "batch";
  /** One projection of the size of a head serves every head. */
  shared?: boolean;
}

export const moduleMistakes: readonly ModuleMistake[] = [
  { rule: "heads-split-without-transpose", says: "splits heads by a reshape alone", split: "reshape" },
  {
    rule: "heads-split-without-transpose",
    says: "splits and merges heads by a reshape alone",
    split: "reshape",
    merge: "reshape",
  },
  { rule: "heads-merged-without-transpose", says: "merges heads by a reshape alone", merge: "reshape" },
  { rule: "project-after-split", says: "projects every head's slice of x by the same weights", shared: true },
  { rule: "scale-missing", says: "does not scale q·k", scale: () => 1 },
  { rule: "scale-d_model", says: "divides q·k by √dModel", scale: (D, H) => 1 / Math.sqrt(D * H) },
  { rule: "scale-by-heads", says: "divides q·k by √H", scale: (_D, H) => 1 / Math.sqrt(H) },
  { rule: "scale-by-heads", says: "multiplies q·k by √D", scale: (D) => Math.sqrt(D) },
  { rule: "scale-by-heads", says: "divides q·k by D", scale: (D) => 1 / D },
  { rule: "softmax-axis", says: "takes the softmax over the queries", softmax: "queries" },
  { rule: "softmax-axis", says: "takes the softmax over the heads", softmax: "heads" },
];

type Matrix = { data: Float64Array; rows: number; columns: number };
type Named = "q" | "k" | "v" | "o";

const names: Record<Named, RegExp> = {
  q: /^(w_?q|q|query|q_?proj|wquery|to_q)(\.?_?weight|\.?_?kernel)?$/i,
  k: /^(w_?k|k|key|k_?proj|wkey|to_k)(\.?_?weight|\.?_?kernel)?$/i,
  v: /^(w_?v|v|value|v_?proj|wvalue|to_v)(\.?_?weight|\.?_?kernel)?$/i,
  o: /^(w_?o|o|out|output|out_?proj|o_?proj|wout|to_out)(\.?_?weight|\.?_?kernel)?$/i,
};

export interface ModuleFacts {
  mistakes: ModuleMistake[];
  status: "right" | "explained" | "unexplained" | "fails";
  message?: string;
  error?: number;
}

export class ModuleLab {
  readonly candidate: ModuleCandidate;
  readonly options: CheckOptions;
  readonly seed: number;
  private known: Promise<ModuleFacts> | undefined;

  constructor(candidate: ModuleCandidate, options: CheckOptions = {}) {
    this.candidate = candidate;
    this.options = options;
    this.seed = options.seed ?? 1;
  }

  facts(): Promise<ModuleFacts> {
    this.known ??= this.identify();
    return this.known;
  }

  private matrices(): Partial<Record<Named, Matrix>> & { biases: Partial<Record<Named, Float64Array>> } {
    const out: Partial<Record<Named, Matrix>> & { biases: Partial<Record<Named, Float64Array>> } = { biases: {} };
    for (const [name, raw] of Object.entries(this.candidate.weights ?? {})) {
      const value = readValue(raw);
      if (!value) continue;
      const side = Math.sqrt(value.data.length);
      const shape = value.shape ?? (Number.isInteger(side) ? [side, side] : [value.data.length]);
      for (const key of ["q", "k", "v", "o"] as const) {
        if (shape.length === 2 && names[key].test(name))
          out[key] = { data: value.data, rows: shape[0]!, columns: shape[1]! };
        if (
          shape.length === 1 &&
          /bias|^b/i.test(name) &&
          names[key].test(name.replace(/\.?_?bias$/i, "").replace(/^b_?/i, "w"))
        )
          out.biases[key] = value.data;
      }
      if (shape.length === 2 && /in_proj_weight/i.test(name))
        (["q", "k", "v"] as const).forEach((key, n) => {
          const rows = shape[0]! / 3;
          out[key] = {
            data: value.data.subarray(n * rows * shape[1]!, (n + 1) * rows * shape[1]!),
            rows,
            columns: shape[1]!,
          };
        });
      if (shape.length === 1 && /in_proj_bias/i.test(name))
        (["q", "k", "v"] as const).forEach((key, n) => {
          const size = shape[0]! / 3;
          out.biases[key] = value.data.subarray(n * size, (n + 1) * size);
        });
    }
    return out;
  }

  private async identify(): Promise<ModuleFacts> {
    const w = this.matrices();
    const H = this.candidate.heads;
    const missing = (["q", "k", "v"] as const).filter((n) => !w[n]);
    if (missing.length > 0)
      return {
        status: "fails",
        mistakes: [],
        message: `weights for ${missing.join(", ")} were not found: name them q, k, v, o`,
      };
    const shared = w.q!.rows === w.q!.columns && w.o && w.o.rows === w.q!.rows * H;
    const dModel = shared ? w.q!.rows * H : w.q!.columns;
    const [B, L] = [2, 5];
    const x = new Random(this.seed * 31 + 7).grid(B * L * dModel);
    const numbers: Numbers = { data: x.slice(), shape: [B, L, dModel], dims: [B, L, dModel] };
    let raw: unknown;
    try {
      raw = await this.candidate.forward(numbers, {});
    } catch (error) {
      return { status: "fails", mistakes: [], message: (error as Error).message };
    }
    const value = readValue(raw);
    if (!value || value.data.length !== B * L * dModel)
      return { status: "fails", mistakes: [], message: "the module gave back no [B, L, dModel]" };
    const tries: ModuleMistake[][] = [[]];
    for (const m of moduleMistakes) tries.push([m]);
    for (const a of moduleMistakes) for (const b of moduleMistakes) if (a.scale && !b.scale) tries.push([b, a]);
    for (const mistakes of tries)
      for (const transposed of [false, true]) {
        const made = this.module(x, B, L, dModel, H, w, mistakes, transposed);
        if (!made) continue;
        const error = distance(value.data, made);
        if (error < 1e-4) return { status: mistakes.length ? "explained" : "right", mistakes, error };
      }
    return { status: "unexplained", mistakes: [] };
  }

  /** The module as these mistakes make it. `transposed`: weights are [in, out]. */
  private module(
    x: Float32Array,
    B: number,
    L: number,
    dModel: number,
    H: number,
    w: ReturnType<ModuleLab["matrices"]>,
    mistakes: ModuleMistake[],
    transposed: boolean,
  ): Float64Array | undefined {
    const find = <K extends keyof ModuleMistake>(key: K) => mistakes.find((m) => m[key] !== undefined)?.[key];
    const D = dModel / H;
    const shared = find("shared") === true;
    if (shared !== (w.q!.rows === D && w.q!.columns === D && H > 1)) return undefined;
    const project = (key: "q" | "k" | "v"): Float64Array => {
      const m = w[key]!;
      const width = shared ? D : dModel;
      const out = new Float64Array(B * L * dModel);
      for (let row = 0; row < (B * L * dModel) / width; row++)
        for (let o = 0; o < width; o++) {
          let s = w.biases[key]?.[o] ?? 0;
          for (let i = 0; i < width; i++)
            s += x[row * width + i]! * m.data[transposed ? i * m.columns + o : o * m.columns + i]!;
          out[row * width + o] = s;
        }
      return out;
    };
    const split = (y: Float64Array) => {
      const out = new Float32Array(y.length);
      let n = 0;
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let i = 0; i < L; i++)
            for (let d = 0; d < D; d++, n++) out[n] = y[find("split") ? n : ((b * L + i) * H + h) * D + d]!;
      return out;
    };
    const [q, k, v] = (["q", "k", "v"] as const).map((key) => split(project(key))) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const scale = find("scale")?.(D, H) ?? this.options.scale;
    const softmax = find("softmax");
    const { output } = simulate(
      { B, H, Hk: H, Lq: L, Lk: L, D, Dv: D, q, k, v },
      { ...(typeof scale === "number" ? { scale } : {}), ...(softmax ? { softmax } : {}) },
    );
    const merged = new Float64Array(output.length);
    let n = 0;
    for (let b = 0; b < B; b++)
      for (let i = 0; i < L; i++)
        for (let h = 0; h < H; h++)
          for (let d = 0; d < D; d++, n++) merged[n] = output[find("merge") ? n : ((b * H + h) * L + i) * D + d]!;
    if (!w.o) return merged;
    const out = new Float64Array(B * L * dModel);
    for (let row = 0; row < B * L; row++)
      for (let o = 0; o < dModel; o++) {
        let s = w.biases.o?.[o] ?? 0;
        for (let i = 0; i < dModel; i++)
          s += merged[row * dModel + i]! * w.o.data[transposed ? i * dModel + o : o * dModel + i]!;
        out[row * dModel + o] = s;
      }
    return out;
  }
}
