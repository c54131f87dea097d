/**
 * @file The recurrence under every linear attention, in three forms that give the same numbers.
 *     S_t = a_t∘S_{t−1} + k_t u_tᵀ      o_t = S_tᵀ q_t      S [D, Dv], a_t = e^(decay_t)
 *     linear, gated         u_t = v_t                                       Katharopoulos et al. 2020 (arXiv:2006.16236) eq. 16–20;
 *                                                                           Yang et al. 2023 (arXiv:2312.06635) eq. 3
 *     delta, gated delta    u_t = β_t (v_t − (a_t∘S_{t−1})ᵀ k_t)            Yang et al. 2024 (arXiv:2406.06484) eq. 3, (arXiv:2412.06464) eq. 10
 *
 * N heads of all batch items · L tokens · c tokens in a chunk. A chunk is computed at once: with G the running sum of
 * decays, o_t = Σ_{j≤t} (Σ_d q_td k_jd e^(G_td − G_jd)) u_j + (q_t∘e^G_t) S, and the u of a delta rule solve
 * (I + β·tril(k kᵀ, −1)) u = β (v − S (k∘e^G)): the WY form of arXiv:2406.06484 §3.
 */
import { ops } from "../../kernels/current.js";
import { type Tensor, tensor, zeros } from "../../tensor/index.js";
import { floats } from "./fill.js";

export interface Recurrence {
  q: Tensor; // [N, L, D]
  k: Tensor; // [N, L, D]
  v: Tensor; // [N, L, Dv]
  /** ln a_t, [N, L, 1] for the whole state or [N, L, D] for each of its rows. */
  decay?: Tensor | undefined;
  /** Strength of the delta rule, [N, L, 1]; without it u_t = v_t. */
  beta?: Tensor | undefined;
  /** S before the first token, [N, D, Dv]; default zeros. */
  state?: Tensor | undefined;
}

export interface Outcome {
  output: Tensor; // [N, L, Dv]
  state: Tensor; // [N, D, Dv]
}

/** Token by token, as the equation reads: O(L·D·Dv), a state of D·Dv numbers, L steps in a row. */
export function recurrent({ q, k, v, decay, beta, state }: Recurrence): Outcome {
  const o = ops();
  const [N, L, D] = q.shape as [number, number, number];
  const row = (x: Tensor, t: number) => o.slice(x, 1, t, t + 1); // [N, 1, *]
  let S = state ?? zeros([N, D, v.shape[2]!]);
  const outputs: Tensor[] = [];
  for (let t = 0; t < L; t++) {
    const kt = row(k, t);
    let u = row(v, t);
    if (decay) S = o.binary("multiply", S, upright(o.unary("exp", row(decay, t))));
    if (beta) u = o.binary("multiply", o.binary("subtract", u, o.matmul(kt, S)), row(beta, t));
    S = o.binary("add", S, o.matmul(kt, u, { transposeA: true })); // [N, D, Dv]
    outputs.push(o.matmul(row(q, t), S)); // [N, 1, Dv]
  }
  return { output: L === 1 ? outputs[0]! : o.concat(outputs, 1), state: S };
}

/** Chunk by chunk: O(L·(c + D)·Dv), L/c steps in a row, each a few matrix products. `chunk` ≥ L is the parallel form. */
export function chunked(given: Recurrence, chunk: number): Outcome {
  const o = ops();
  const [N, L, D] = given.q.shape as [number, number, number];
  const Dv = given.v.shape[2]!;
  const c = fitting(given.decay, Math.min(chunk, L));
  const n = Math.ceil(L / c);
  const chunks = (x: Tensor) => o.reshape(padTokens(x, n * c), [N * n, c, x.shape[2]!]);
  const [q, k, v] = [chunks(given.q), chunks(given.k), chunks(given.v)];
  const G = given.decay && o.matmul(triangle(c, true), chunks(given.decay)); // running sums, [N·n, c, 1 | D]
  const beta = given.beta && chunks(given.beta);
  const inside = o.binary("multiply", pairScores(q, k, G), triangle(c, true)); // [N·n, c, c]
  const solved = beta && solve(k, v, beta, G);
  const qIn = decayed(q, G);
  const kOut = G ? o.binary("multiply", k, o.unary("exp", o.binary("subtract", last(G, c), G))) : k;
  const keep = G && upright(o.unary("exp", last(G, c))); // [N·n, 1 | D, 1]
  const pick = (x: Tensor, i: number) => {
    const [, a, b] = x.shape as [number, number, number];
    return n === 1 ? x : o.reshape(o.slice(o.reshape(x, [N, n, a, b]), 1, i, i + 1), [N, a, b]);
  };
  const sums = solved ? undefined : o.matmul(kOut, v, { transposeA: true }); // what each chunk adds, [N·n, D, Dv]
  let S = given.state;
  const before: Tensor[] = []; // S as each chunk finds it
  const news: Tensor[] = []; // u of each chunk of a delta rule
  for (let i = 0; i < n; i++) {
    before.push(S ?? zeros([N, D, Dv]));
    let added: Tensor;
    if (solved) {
      const own = pick(solved.fromValues, i);
      const u = S ? o.binary("subtract", own, o.matmul(pick(solved.fromState, i), S)) : own; // [N, c, Dv]
      news.push(u);
      added = o.matmul(pick(kOut, i), u, { transposeA: true });
    } else {
      added = pick(sums!, i);
    }
    const kept = S && keep ? o.binary("multiply", S, pick(keep, i)) : S;
    S = kept ? o.binary("add", kept, added) : added;
  }
  const stack = (parts: Tensor[], rows: number) =>
    n === 1 ? parts[0]! : o.reshape(o.concat(parts.map((x) => o.reshape(x, [N, 1, rows, Dv])), 1), [N * n, rows, Dv]); // biome-ignore format: one line
  const u = solved ? stack(news, c) : v;
  const output = o.binary("add", o.matmul(inside, u), o.matmul(qIn, stack(before, D)));
  const whole = o.reshape(output, [N, n * c, Dv]);
  return { output: n * c === L ? whole : o.slice(whole, 1, 0, L), state: S! };
}

/** u of a delta rule as T β v − (T β (k∘e^G)) S, with T = (I + β·tril(k kᵀ, −1))⁻¹. */
function solve(k: Tensor, v: Tensor, beta: Tensor, G: Tensor | undefined) {
  const o = ops();
  const c = k.shape[1]!;
  const pairs = o.binary("multiply", o.binary("multiply", pairScores(k, k, G), beta), triangle(c, false));
  const T = inverse(pairs);
  return {
    fromValues: o.matmul(T, o.binary("multiply", v, beta)),
    fromState: o.matmul(T, o.binary("multiply", decayed(k, G), beta)),
  };
}

/**
 * (I + A)⁻¹ of a strictly lower triangular A [M, c, c]: row t is e_t − Σ_{j<t} A_tj·row j. Forward substitution keeps
 * its error small for any A; c steps for all chunks together.
 */
function inverse(A: Tensor): Tensor {
  const o = ops();
  const [M, c] = A.shape as [number, number];
  const unit = (t: number) =>
    tensor(
      floats(M * c, (n) => (n % c === t ? 1 : 0)),
      [M, 1, c],
    );
  let T = unit(0);
  for (let t = 1; t < c; t++) {
    const before = o.slice(o.slice(A, 1, t, t + 1), 2, 0, t); // [M, 1, t]
    T = o.concat([T, o.binary("subtract", unit(t), o.matmul(before, T))], 1); // [M, t + 1, c]
  }
  return T;
}

/** Σ_d a_td b_jd e^(G_td − G_jd) for j ≤ t; what stands above the diagonal is finite and means nothing. */
function pairScores(a: Tensor, b: Tensor, G: Tensor | undefined): Tensor {
  const o = ops();
  if (!G) return o.matmul(a, b, { transposeB: true });
  const [M, c, wide] = G.shape as [number, number, number];
  if (wide === 1) {
    const apart = o.binary("subtract", G, o.reshape(G, [M, 1, c])); // [M, c, c], G_t − G_j
    const weights = o.unary("exp", o.binary("add", apart, beyond(c)));
    return o.binary("multiply", o.matmul(a, b, { transposeB: true }), weights);
  }
  return o.matmul(decayed(a, G), o.binary("multiply", b, o.unary("exp", o.unary("negate", G))), { transposeB: true });
}

/** x∘e^G */
function decayed(x: Tensor, G: Tensor | undefined): Tensor {
  return G ? ops().binary("multiply", x, ops().unary("exp", G)) : x;
}

function last(G: Tensor, c: number): Tensor {
  return ops().slice(G, 1, c - 1, c);
}

/** [M, 1, D] → [M, D, 1]: one factor for each row of a state. */
function upright(x: Tensor): Tensor {
  return ops().reshape(x, [x.shape[0]!, x.shape[2]!, 1]);
}

/** Ones on and below the diagonal, or only below it. */
function triangle(c: number, diagonal: boolean): Tensor {
  return tensor(
    floats(c * c, (at) => (at % c < Math.floor(at / c) + (diagonal ? 1 : 0) ? 1 : 0)),
    [c, c],
  );
}

/** −1e9 above the diagonal, so that e^(…) is 0 there whatever the decays. */
function beyond(c: number): Tensor {
  return tensor(
    floats(c * c, (at) => (at % c > Math.floor(at / c) ? -1e9 : 0)),
    [c, c],
  );
}

/** Padded tokens have k = v = β = decay = 0: they leave the state as it is. */
function padTokens(x: Tensor, length: number): Tensor {
  const [N, L, D] = x.shape as [number, number, number];
  return length === L ? x : ops().concat([x, zeros([N, length - L, D])], 1);
}

/**
 * The longest chunk, halved from `chunk`, in which no row of the state decays by more than e^±40: e^(−G) of a decay per
 * row has to be a float32 (up to e^88), and products of two such factors too.
 */
function fitting(decay: Tensor | undefined, chunk: number): number {
  if (!decay || decay.shape[2] === 1) return chunk;
  const [N, L, D] = decay.shape as [number, number, number];
  const data = decay.data;
  let c = chunk;
  const tooMuch = (): boolean => {
    for (let n = 0; n < N; n++) {
      for (let d = 0; d < D; d++) {
        for (let t = 0, G = 0; t < L; t++) {
          G = (t % c === 0 ? 0 : G) + data[(n * L + t) * D + d]!;
          if (!(Math.abs(G) <= 40)) return true;
        }
      }
    }
    return false;
  };
  while (c > 1 && tooMuch()) c = Math.ceil(c / 2);
  return c;
}
