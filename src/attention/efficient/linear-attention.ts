/**
 * @file Linear attention. Katharopoulos et al. 2020 (arXiv:2006.16236) eq. 7: φ(x) = elu(x) + 1; and its recurrences with
 * a rule for what the state forgets: gated (arXiv:2312.06635), delta (arXiv:2406.06484), gated delta (arXiv:2412.06464).
 *     without a rule      o_i = φ(q_i)·Σ_j φ(k_j) v_jᵀ / φ(q_i)·Σ_j φ(k_j)
 *     with a rule         o_t = scale·S_tᵀ q_t, S_t from S_{t−1}, k_t, v_t: see recurrence.ts (ONNX LinearAttention, opset 27)
 */
import { ops } from "../../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike, tensor } from "../../tensor/index.js";
import { type Cost, type CostShape, countCost } from "./cost.js";
import { absentAs } from "./features.js";
import { kernelAttention } from "./kernel-attention.js";
import { type CommonOptions, count, type Problem, problem, selfOnly } from "./operands.js";
import { chunked, type Outcome, recurrent } from "./recurrence.js";
import { blank, finite, spreadHeads } from "./rows.js";

export interface LinearAttentionOptions extends CommonOptions {
  /**
   * φ. "elu": elu(x) + 1. "softmax": over the features of q, over the positions of k (causal: e^k), performer-pytorch's
   * `no_projection`. "identity": q and k as they are, no denominator. Default "elu"; with a rule "identity".
   */
  kernel?: "elu" | "softmax" | "identity";
  /** How the state changes; a rule is causal by nature. "linear" adds, "gated" forgets by `decay`, "delta" overwrites by `beta`. */
  rule?: "linear" | "gated" | "delta" | "gated_delta";
  /** ln of what the state keeps: [B, H, L], or [B, H, L, D] for each row of it; H may be the key heads or 1. */
  decay?: Tensor | TensorLike;
  /** Strength of the delta rule, [B, H, L]; default 1, a full overwrite. */
  beta?: Tensor | TensorLike;
  /** State before the first token, [B, Hk, D, Dv]. */
  state?: Tensor | TensorLike;
  /** Also give the state after the last token: { output, state [B, Hk, D, Dv] }. */
  returnState?: boolean;
  /** Which of three equal forms computes it: token by token, chunk by chunk (default), all at once (quadratic). */
  form?: "recurrent" | "chunked" | "parallel";
  /** Tokens in a chunk; default 64. */
  chunk?: number;
}

/** What a call with `returnState` gives. */
export interface LinearAttentionResult {
  output: Tensor; // [B, H, L, Dv]
  state: Tensor; // [B, Hk, D, Dv]
}

type Operand = Tensor | TensorLike;

export interface LinearAttention {
  (q: Operand, k: Operand, v: Operand, options: LinearAttentionOptions & { returnState: true }): LinearAttentionResult;
  (q: Operand, k: Operand, v: Operand, options?: LinearAttentionOptions): Tensor;
  /** See `Mechanism.cost`. */
  cost(shape: CostShape & Partial<LinearAttentionOptions>, options?: LinearAttentionOptions): Cost;
  readonly mechanism: string;
}

/**
 * Linear in the length: O(L·D·Dv), a state of D·Dv numbers when generating. Without a rule `scale` cancels.
 * @throws {ShapeError} when causal and not self-attention; {OptionError} for a rule that is asked to see the future
 */
export const linearAttention: LinearAttention = Object.assign(call as LinearAttention, {
  mechanism: "linearAttention",
  cost: (shape: CostShape & Partial<LinearAttentionOptions>, options?: LinearAttentionOptions) =>
    countCost(call, shape, options),
});

function call(
  q: Operand,
  k: Operand,
  v: Operand,
  options: LinearAttentionOptions = {},
): Tensor | LinearAttentionResult {
  return ops().scope(() => {
    const p = problem("linearAttention", q, k, v, options);
    const rank = (q.shape ?? (q as TensorLike).dims)!.length;
    const likeQ = (x: Tensor) => (rank === 4 ? x : ops().reshape(x, x.shape.slice(4 - rank)));
    if (!recurs(options)) return likeQ(normalised(p, options));
    const { output, state } = byRule(p, options);
    return options.returnState ? { output: likeQ(output), state: likeQ(state) } : likeQ(output);
  });
}

function recurs(options: LinearAttentionOptions): boolean {
  const { rule, decay, beta, state, returnState, kernel } = options;
  return !!(rule ?? decay ?? beta ?? state ?? returnState) || kernel === "identity";
}

/** Tokens computed at once in the form asked for. */
function chunkOf(p: Problem, options: LinearAttentionOptions): number {
  if (options.form === "recurrent") return 1;
  return options.form === "parallel" ? Infinity : count(p.where, "chunk", options.chunk ?? 64);
}

function normalised(p: Problem, options: LinearAttentionOptions): Tensor {
  if (p.causal) selfOnly(p, "causal prefix sums run over one sequence");
  const [q, k] = options.kernel === "softmax" ? softmaxed(p) : [elu1(p.q), elu1(p.k)];
  return kernelAttention(p, q, k, { extra: 0, chunk: chunkOf(p, options) });
}

/** elu(x) + 1: x + 1 above 0, e^x below. */
function elu1(x: Tensor): Tensor {
  const o = ops();
  const below = o.unary("negate", o.unary("relu", o.unary("negate", x))); // min(x, 0)
  return o.binary("add", o.unary("relu", x), o.unary("exp", below));
}

function softmaxed(p: Problem): [q: Tensor, k: Tensor] {
  const o = ops();
  const q = o.softmax(p.q);
  if (p.causal) return [q, o.unary("exp", p.k)];
  const present = p.keyMask ? absentAs(p.k, p.keyMask, -Infinity) : p.k;
  return [q, o.permute(o.softmax(o.permute(present, [0, 1, 3, 2])), [0, 1, 3, 2])];
}

function byRule(p: Problem, options: LinearAttentionOptions): LinearAttentionResult {
  const o = ops();
  const { batch: B, heads: H, keyHeads: Hk, headDim: D, valueDim: Dv } = p;
  if (options.causal === false) {
    throw new OptionError({
      where: p.where,
      argument: "options.causal",
      got: "is false",
      expected: `true: rule "${options.rule ?? "linear"}" runs from the first token to the last`,
      fix: "leave the rule out for attention in both directions",
    });
  }
  selfOnly(p, "a state is read after each token is written");
  const rule = ruleOf(options);
  const kernel = options.kernel ?? "identity";
  const flat = (x: Tensor) => o.reshape(x, [B * H, x.shape[2]!, x.shape[3]!]);
  const perHead = (x: Tensor) => flat(spreadHeads(blank(x, p.keyMask), H));
  const qs = kernel === "elu" ? elu1(p.q) : kernel === "softmax" ? o.softmax(p.q) : p.q;
  const ks = kernel === "elu" ? elu1(p.k) : kernel === "softmax" ? o.unary("exp", p.k) : p.k;
  const given = {
    q: flat(o.affine(qs, p.scale)),
    k: perHead(ks),
    v: perHead(p.v),
    decay: rule.startsWith("gated") ? perHead(perToken(p, "decay", options.decay)) : undefined,
    beta: rule.endsWith("delta") ? perHead(perToken(p, "beta", options.beta)) : undefined,
    state: options.state && flat(spreadHeads(stateOf(p, options.state), H)),
  };
  const chunk = chunkOf(p, options);
  // Within a chunk later keys are multiplied by 0, which does not silence NaN: then token by token.
  const stepwise = chunk === 1 || !finite(given.k, given.v);
  const { output, state: last }: Outcome = stepwise ? recurrent(given) : chunked(given, chunk);
  const states = o.reshape(last, [B, Hk, H / Hk, D * Dv]);
  return {
    output: o.reshape(output, [B, H, p.queries, Dv]),
    state: o.reshape(H === Hk ? states : o.slice(states, 2, 0, 1), [B, Hk, D, Dv]),
  };
}

function ruleOf({ rule, decay, beta }: LinearAttentionOptions): NonNullable<LinearAttentionOptions["rule"]> {
  return rule ?? (beta ? (decay ? "gated_delta" : "delta") : decay ? "gated" : "linear");
}

/** A number per token, or for decay one per row of the state: [B, 1 | Hk | H, L, 1 | D]. */
function perToken(p: Problem, name: "decay" | "beta", given: Operand | undefined): Tensor {
  const argument = `options.${name}`;
  const full = `[${p.batch}, ${p.heads}, ${p.queries}${name === "decay" ? `] or [${p.batch}, ${p.heads}, ${p.queries}, ${p.headDim}` : ""}]`;
  if (given === undefined) {
    if (name === "beta") return tensor(new Float32Array(p.batch * p.queries).fill(1), [p.batch, 1, p.queries, 1]);
    throw new OptionError({
      where: p.where,
      argument,
      got: "is missing",
      expected: `${full}: ln of what the state keeps`,
      fix: 'give it, or take rule "linear" or "delta"',
    });
  }
  const x = asTensor(given, p.where, argument);
  const rows = x.shape.length === p.rank ? x.shape : [...x.shape, 1];
  const [b, h, l, d] = [...[1, 1, 1].slice(0, 4 - rows.length), ...rows] as [number, number, number, number];
  const headsFit = h === 1 || h === p.keyHeads || h === p.heads;
  const rowsFit = d === 1 || (name === "decay" && d === p.headDim);
  if (b !== p.batch || !headsFit || l !== p.queries || !rowsFit) {
    throw new ShapeError({ where: p.where, argument, got: `has shape ${show(x.shape)}`, expected: full });
  }
  return ops().reshape(x, [b, h, l, d]);
}

function stateOf(p: Problem, given: Operand): Tensor {
  const x = asTensor(given, p.where, "options.state");
  const shape = [p.batch, p.keyHeads, p.headDim, p.valueDim];
  if (x.size === shape.reduce((n, d) => n * d, 1) && x.shape.at(-1) === p.valueDim) return ops().reshape(x, shape);
  throw new ShapeError({
    where: p.where,
    argument: "options.state",
    got: `has shape ${show(x.shape)}`,
    expected: `${show(shape)}: batch, key heads, headDim, valueDim`,
  });
}
