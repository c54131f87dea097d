/** Slopes against central differences in float64: h = 1e-5 leaves h²/6 + ε/h ≈ 4e-11, so 1e-8 is a real test. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { normal } from "../../test/conformance/numbers.js";
import { defaultKernel, setDefaultKernel } from "../kernels/current.js";
import { float64Tensor } from "../kernels/reference/allocate.js";
import { referenceKernel } from "../kernels/reference/reference-kernel.js";
import type { Tensor } from "../tensor/index.js";
import { attention, attentionGradient, relativeBias } from "./index.js";
import type { AttentionOptions } from "./options.js";

const before = defaultKernel();
beforeAll(() => setDefaultKernel(referenceKernel({ precision: "float64" })));
afterAll(() => setDefaultKernel(before));

const exact = (seed: number, shape: number[]): Tensor => float64Tensor(normal(seed, shape).data, shape);
const [B, H, Hk, Lq, Lk, D, Dv] = [2, 4, 2, 3, 5, 3, 2];
const inputs = (): Tensor[] => [exact(1, [B, H, Lq, D]), exact(2, [B, Hk, Lk, D]), exact(3, [B, Hk, Lk, Dv])];
const dOut = exact(4, [B, H, Lq, Dv]);

/** d (output · dOut) / d x[n], by moving x[n] to both sides. */
function measured(x: Tensor, n: number, run: () => Tensor): number {
  const h = 1e-5;
  const at = (shift: number): number => {
    const was = x.data[n];
    x.data[n] = was + shift;
    const y = run();
    x.data[n] = was;
    return y.data.reduce((sum, o, place) => sum + o * dOut.data[place], 0);
  };
  return (at(h) - at(-h)) / (2 * h);
}

const cases: Record<string, () => AttentionOptions> = {
  plain: () => ({}),
  causal: () => ({ causal: true }),
  "causal, upper left": () => ({ causal: "upper-left" }),
  "window and softcap": () => ({ window: { left: 1, right: 1 }, softcap: 0.9, scale: 1.3 }),
  "key lengths, one of them 0": () => ({ keyLengths: [0, 3] }),
  "bias per head, shared by the batch": () => ({ bias: exact(5, [1, H, Lq, Lk]) }),
  "bias per key": () => ({ bias: exact(6, [Lk]) }),
  "softcap before bias": () => ({ softcap: 1.5, bias: exact(7, [B, H, Lq, Lk]) }),
  "bias by distance": () => ({
    bias: relativeBias(exact(8, [32, H]), { queries: Lq, keys: Lk, bidirectional: false }),
  }),
  sinks: () => ({ causal: true, sinks: exact(9, [H]) }),
  alibi: () => ({ alibi: true }),
  dropout: () => ({ dropout: { rate: 0.4, seed: 3 } }),
  "a score function": () => ({ scoreMod: (s, _b, h, i, j) => Math.tanh(s) * (h + 1) + 0.1 * (i - j) }),
  "a score function over bias and softcap": () => ({
    softcap: 2,
    bias: exact(10, [Lq, Lk]),
    scoreMod: (s) => 0.3 * s * s,
  }),
  "a mask function": () => ({ maskMod: (_b, h, i, j) => (h + i + j) % 3 !== 0 }),
};

test.each(Object.entries(cases))("%s: gradients of every operand agree with central differences to 1e-8", (_, make) => {
  const options = make();
  const [q, k, v] = inputs();
  const run = (): Tensor => attention(q, k, v, options);
  const compare = (name: string, x: Tensor, slope: Tensor | undefined): void => {
    expect(slope?.shape, name).toEqual(x.shape);
    for (let n = 0; n < x.size; n++) {
      expect(Math.abs(slope!.data[n] - measured(x, n, run)), `${name} at ${n}`).toBeLessThan(1e-8);
    }
  };
  const { dq, dk, dv, dBias, dSinks } = attentionGradient(q, k, v, dOut, options);
  compare("dq", q, dq);
  compare("dk", k, dk);
  compare("dv", v, dv);
  const bias = options.bias as (Tensor & { tensor?: Tensor }) | undefined;
  if (bias) compare("dBias", bias.tensor ?? bias, dBias);
  else expect(dBias).toBeUndefined();
  if (options.sinks) compare("dSinks", options.sinks as Tensor, dSinks);
  else expect(dSinks).toBeUndefined();
});
