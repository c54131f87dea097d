/**
 * A well-known kind of tutorial sample, as printed, in TypeScript: projections of Q, K and V, scores, a "causal mask",
 * context vectors. Every line keeps the meaning it has there. `qkv check examples/tutorial-attention.ts` says what it
 * does; docs/check/tutorial.md goes through it one mistake at a time.
 */
type Tensor = { data: ArrayLike<number>; shape: number[] };
type Options = { causal?: boolean; mask?: Tensor; scale?: number; keyPadding?: Tensor };

/** numpy's `x.T` turns *all* axes round: [B, L, D] becomes [D, L, B]. */
function T(x: Tensor): Tensor {
  const shape = [...x.shape].reverse();
  const strides = x.shape.map((_, a) => x.shape.slice(a + 1).reduce((m, n) => m * n, 1)).reverse();
  const size = x.data.length;
  const data = new Float32Array(size);
  const place = shape.map(() => 0);
  for (let n = 0; n < size; n++) {
    data[n] = x.data[place.reduce((s, p, a) => s + p * strides[a]!, 0)]!;
    for (let a = shape.length - 1; a >= 0 && ++place[a]! === shape[a]; a--) place[a] = 0;
  }
  return { data, shape };
}

/** numpy's `matmul`: the last two axes multiply, the others must agree. */
function matmul(a: Tensor, b: Tensor): Tensor {
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [k2, n] = b.shape.slice(-2) as [number, number];
  const lead = a.shape.slice(0, -2);
  if (k !== k2 || lead.join() !== b.shape.slice(0, -2).join()) {
    throw new Error(`matmul: shapes (${a.shape}) and (${b.shape}) do not align`);
  }
  const batch = lead.reduce((x, y) => x * y, 1);
  const data = new Float32Array(batch * m * n);
  for (let x = 0; x < batch; x++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let s = 0;
        for (let d = 0; d < k; d++) s += a.data[(x * m + i) * k + d]! * b.data[(x * k + d) * n + j]!;
        data[(x * m + i) * n + j] = s;
      }
  return { data, shape: [...lead, m, n] };
}

export default function selfAttention(Q: Tensor, K: Tensor, V: Tensor, { causal }: Options = {}): Tensor {
  // W_Q, W_K and W_V are not defined in the sample; taken as identities they leave Q, K and V as they are.
  const dK = Q.shape.at(-1)!;

  // Calculate attention scores
  let scores = matmul(Q, T(K));
  scores = { data: Float32Array.from(scores.data, (s) => s / Math.sqrt(dK)), shape: scores.shape };

  // Apply causal masking: triu(ones(batch, seq, seq), 1)
  if (causal) {
    const L = scores.shape.at(-1)!;
    scores = {
      data: Float32Array.from(scores.data, (s, n) => s * (n % L > Math.floor(n / L) % L ? 1 : 0)),
      shape: scores.shape,
    };
  }

  // Compute context vectors
  return matmul(scores, V);
}
