/** The tutorial's function, right: softmax(q·kᵀ/√D, the hidden absent)·v. Vaswani et al. 2017, eq. 1 and §3.2.3. */
type Tensor = { data: ArrayLike<number>; shape: number[] };
type Options = { causal?: boolean; mask?: Tensor; scale?: number; keyPadding?: Tensor };

export default function selfAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { causal, mask, scale, keyPadding }: Options = {},
): Tensor {
  const [B, H, Lq, D] = q.shape as [number, number, number, number];
  const [Lk, Dv] = [k.shape[2]!, v.shape[3]!];
  const factor = scale ?? 1 / Math.sqrt(D);
  const out = new Float32Array(B * H * Lq * Dv);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < Lq; i++) {
        const seen: number[] = [];
        for (let j = 0; j < Lk; j++) {
          const hidden =
            (causal && j > i + Lk - Lq) || keyPadding?.data[b * Lk + j] === 0 || (mask && at(mask, b, h, i, j) === 0);
          if (!hidden) seen.push(j);
        }
        const scores = seen.map((j) => {
          let s = 0;
          for (let d = 0; d < D; d++)
            s += q.data[((b * H + h) * Lq + i) * D + d]! * k.data[((b * H + h) * Lk + j) * D + d]!;
          return s * factor;
        });
        const max = Math.max(...scores);
        const e = scores.map((s) => Math.exp(s - max));
        const sum = e.reduce((x, y) => x + y, 0);
        seen.forEach((j, n) => {
          for (let d = 0; d < Dv; d++)
            out[((b * H + h) * Lq + i) * Dv + d]! += (e[n]! / sum) * v.data[((b * H + h) * Lk + j) * Dv + d]!;
        });
      }
  return { data: out, shape: [B, H, Lq, Dv] };
}

/** A mask that broadcasts to [B, H, Lq, Lk]. */
function at({ data, shape }: Tensor, ...place: [number, number, number, number]): number {
  const axes = [...new Array<number>(4 - shape.length).fill(1), ...shape];
  return data[axes.reduce((n, size, a) => n * size + (size === 1 ? 0 : place[a]!), 0)]!;
}
