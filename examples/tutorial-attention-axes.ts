/**
 * The tutorial's function with one thing mended: K is turned round in its last two axes only, so that it runs. What is
 * left is what the sample computes: no softmax, and a mask that keeps the future, by multiplication.
 */
type Tensor = { data: ArrayLike<number>; shape: number[] };

export default function selfAttention(
  Q: Tensor,
  K: Tensor,
  V: Tensor,
  { causal, scale }: { causal?: boolean; scale?: number } = {},
): Tensor {
  const D = Q.shape.at(-1)!;
  const [Lq, Lk, Dv] = [Q.shape.at(-2)!, K.shape.at(-2)!, V.shape.at(-1)!];
  const batch = Q.shape.slice(0, -2).reduce((x, y) => x * y, 1);
  const out = new Float32Array(batch * Lq * Dv);
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < Lq; i++)
      for (let j = 0; j < Lk; j++) {
        let score = 0;
        for (let d = 0; d < D; d++) score += Q.data[(b * Lq + i) * D + d]! * K.data[(b * Lk + j) * D + d]!;
        score *= scale ?? 1 / Math.sqrt(D);
        if (causal) score *= j > i ? 1 : 0; // triu(ones, 1)
        for (let d = 0; d < Dv; d++) out[(b * Lq + i) * Dv + d]! += score * V.data[(b * Lk + j) * Dv + d]!;
      }
  return { data: out, shape: [...Q.shape.slice(0, -1), Dv] };
}
