/**
 * @file Traces made by plan: heads that do a known thing, built from q and k alone. For tests, the bench page and a page
 * that has no model at hand. Seeded: the same plan gives the same numbers.
 *
 * A token at position i carries a random unit code c(i) and its word a code w(t). A head that should look from i at j
 * has k_j = code of j and q_i = β·code of the wanted place: previous q_i = β·c(i − 1), self β·c(i), first β·c(0),
 * induction q_i = β·w(t_i) against k_j = w(t_(j−1)), duplicate w against w, broad: small random q.
 */
import { defaultKernel } from "../../kernels/index.js";
import { type AttentionRecord, headsOf, type QkCall, QkRecord, type Sequence, Trace } from "../../trace/index.js";
import { tensor } from "../../tensor/index.js";

export type PlannedHead =
  | "previous" | "next" | "self" | "first" | "local" | "induction" | "duplicate" | "broad" | "uniform"; // biome-ignore format: a list

export interface SyntheticPlan {
  tokens: string[];
  /** Layers of heads. */
  heads: PlannedHead[][];
  headDim?: number;
  seed?: number;
  causal?: boolean;
  /** How sharply a head looks: β/√D of the wanted pair. Default 6. */
  sharpness?: number;
  /** Row sums are computed by the kernel; for very long texts pass a faster one. */
  text?: string;
}

/** Numbers in [−1, 1) from a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1;
  };
}

export function syntheticTrace(plan: SyntheticPlan): Trace {
  const { tokens, heads, headDim = 32, seed = 1, causal = true, sharpness = 6 } = plan;
  const ids = wordIds(tokens);
  const codes = new Codes(headDim, seed);
  const records = heads.map((layer, index): AttentionRecord => {
    const [H, L, D] = [layer.length, tokens.length, headDim];
    const q = new Float32Array(H * L * D);
    const k = new Float32Array(H * L * D);
    layer.forEach((what, h) => fill(what, q.subarray(h * L * D), k.subarray(h * L * D), ids, codes, { L, D, sharpness, causal, salt: seed + 31 * index + h })); // biome-ignore format: one call
    const [qt, kt] = [tensor(q, [1, H, L, D]), tensor(k, [1, H, L, D])];
    const call: QkCall = {
      batch: 1,
      heads: H,
      keyHeads: H,
      queries: L,
      keys: L,
      headDim: D, // biome-ignore format: sizes
      scale: 1 / Math.sqrt(D),
      q: headsOf(qt),
      k: headsOf(kt),
      rule: {
        perBatch: false,
        first: new Int32Array(L),
        end: Int32Array.from({ length: L }, (_, i) => (causal ? i + 1 : L)),
      },
    };
    const one = tensor(new Float32Array(H * L), [1, H, L, 1]); // a value of width 1: only the row sums are wanted
    const { lse } = defaultKernel().attention({ ...call, v: headsOf(one), valueDim: 1 });
    return new QkRecord({ kind: "self", layer: index }, call, tensor(lse.data.slice(), lse.shape), kt);
  });
  const text = plan.text ?? tokens.join("");
  return new Trace({
    info: {
      model: "planned heads",
      architecture: `${heads.length} layers × ${heads[0]!.length} heads, made from q and k by plan`,
      sequences: [sequence(text, tokens, ids)],
      provenance: { engine: "qkv", kernel: defaultKernel().name },
    },
    records,
  });
}

/** A text cut at spaces and punctuation, the space kept at the front of the word, as GPT's tokenizers do. */
export function cut(text: string): string[] {
  return text.match(/\s?[\p{L}\p{N}\p{M}]+|\s?[^\s\p{L}\p{N}]|\s+/gu) ?? [];
}

function wordIds(tokens: string[]): number[] {
  const seen = new Map<string, number>();
  return tokens.map((t) => {
    const word = t.trim().toLowerCase();
    if (!seen.has(word)) seen.set(word, seen.size);
    return seen.get(word)!;
  });
}

function sequence(text: string, tokens: string[], ids: number[]): Sequence {
  let at = 0;
  const offsets = tokens.map((t): [number, number] => {
    const from = text.indexOf(t, at);
    at = from + t.length;
    return [from, at];
  });
  return { text, ids, tokens, offsets };
}

/** Random unit vectors, one a number, made when first asked for. */
class Codes {
  readonly #made = new Map<number, Float32Array>();
  readonly #dim: number;
  readonly #seed: number;
  constructor(dim: number, seed: number) {
    this.#dim = dim;
    this.#seed = seed;
  }
  of(n: number): Float32Array {
    let code = this.#made.get(n);
    if (!code) {
      const random = seeded(this.#seed * 7919 + n * 104729 + 17);
      code = Float32Array.from({ length: this.#dim }, random);
      const norm = Math.hypot(...code);
      for (let d = 0; d < code.length; d++) code[d] /= norm;
      this.#made.set(n, code);
    }
    return code;
  }
}

interface Fill {
  L: number;
  D: number;
  sharpness: number;
  causal: boolean;
  salt: number;
}

function fill(what: PlannedHead, q: Float32Array, k: Float32Array, ids: number[], codes: Codes, f: Fill): void {
  const { L, D, sharpness, salt } = f;
  const random = seeded(salt);
  const beta = sharpness * Math.sqrt(D); // the scale 1/√D leaves a score of `sharpness` for the wanted pair
  const put = (x: Float32Array, i: number, code: Float32Array, factor: number): void => {
    for (let d = 0; d < D; d++) x[i * D + d]! += factor * code[d]!;
  };
  const word = (i: number): Float32Array => codes.of(-1 - ids[i]!);
  for (let i = 0; i < L; i++) {
    const noise = what === "uniform" ? 0 : 0.15;
    for (let d = 0; d < D; d++) {
      q[i * D + d] = noise * random();
      k[i * D + d] = noise * random();
    }
    if (what === "uniform") continue;
    if (what === "broad") {
      put(q, i, codes.of(L + 7), 2 * random() + 2);
      put(k, i, codes.of(L + 7), random());
      continue;
    }
    if (what === "duplicate" || what === "induction") {
      put(q, i, word(i), beta);
      if (what === "duplicate") put(k, i, word(i), 1);
      else if (i > 0) put(k, i, word(i - 1), 1);
      if (i === 0) put(k, 0, word(0), 0.4); // with nothing earlier to find, the first token is where it rests
      continue;
    }
    put(k, i, codes.of(i), 1);
    const reach = { previous: [1], next: [-1], self: [0], first: [i], local: [0, 1, 2, 3] }[what];
    for (const back of reach) {
      const j = Math.min(L - 1, Math.max(0, i - back));
      put(q, i, codes.of(j), beta / Math.sqrt(reach.length));
    }
  }
}
