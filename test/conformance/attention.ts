/** @file Attention, its map and its slopes, for any kernel. */
import { describe, expect, test } from "vitest";
import { attentionCall } from "../../src/attention/call.js";
import { headsOf } from "../../src/attention/heads.js";
import { outputShape } from "../../src/kernels/layout.js";
import type { Kernel } from "../../src/kernels/kernel.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { attentionCases, build } from "./attention-cases.js";
import { conforms, reference } from "./compare.js";
import { normal } from "./numbers.js";

export function attentionConforms(kernel: Kernel): void {
  for (const one of attentionCases) {
    const { inputs, call } = build(one);
    const { Lq, Lk, D, Dv } = one.sizes;
    describe(`attention, ${one.name}`, () => {
      test("output and lse", () => {
        const run = (k: Kernel, x: readonly Tensor[]): Tensor[] => {
          const { output, lse } = k.attention(call(x));
          return [output, lse];
        };
        conforms(kernel, { steps: D + Lk, inputs, run });
      });
      test("the map, whole and in part, with and without lse", () => {
        const part = (n: number): [number, number] => [Math.floor(n / 3), n];
        const lse = tensor(reference.attention(call(inputs)).lse.data, [one.sizes.B, one.sizes.H, Lq]); // rounded to float32
        const run = (k: Kernel, x: readonly Tensor[]): Tensor[] => {
          const c = call(x.slice(0, -1));
          const given = x[x.length - 1];
          return [
            k.attentionWeights(c, [0, Lq], [0, Lk]),
            k.attentionWeights(c, [0, Lq], [0, Lk], given),
            k.attentionWeights(c, part(Lq), part(Lk)),
            k.attentionWeights(c, part(Lq), part(Lk), given),
          ];
        };
        conforms(kernel, { steps: D + Lk, inputs: [...inputs, lse], run });
      });
      test("slopes", () => {
        const dOutput = normal(200, outputShape(call(inputs)));
        conforms(kernel, {
          steps: D + Dv + Lk + Lq,
          inputs: [...inputs, dOutput],
          run: (k, x) => {
            const c = call(x.slice(0, -1));
            const s = k.attentionBackward(c, k.attention(c), x[x.length - 1]);
            return [s.dq, s.dk, s.dv, ...(s.dBias ? [s.dBias] : []), ...(s.dSinks ? [s.dSinks] : [])];
          },
        });
      });
    });
  }

  describe("what is masked is absent", () => {
    const poison = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const [B, H, Lq, Lk, D] = [2, 2, 7, 103, 8];
    const hidden = (j: number): boolean => j >= 5 && j < 99;
    const mask = { data: Uint8Array.from({ length: Lk }, (_, j) => (hidden(j) ? 0 : 1)), shape: [1, 1, 1, Lk] };
    const ways = {
      mask: { mask },
      keyPadding: { keyPadding: { data: mask.data, shape: [1, Lk] } },
      bias: {
        bias: { data: Float32Array.from(mask.data, (m) => (m ? 0 : Number.NEGATIVE_INFINITY)), shape: [1, 1, 1, Lk] },
      },
      documents: { documentIds: { query: Array(Lq).fill(0), key: Array.from(mask.data, (m) => 1 - m) } },
    };
    for (const [name, options] of Object.entries(ways)) {
      test.each(poison)(`by ${name}: %f in its key or value reaches no output and no slope`, (bad) => {
        const clean = [normal(1, [B, H, Lq, D]), normal(2, [B, H, Lk, D]), normal(3, [B, H, Lk, D])];
        const dirty = clean.map((t, n) => {
          if (n === 0) return t;
          const copy = normal(n + 1, t.shape);
          copy.data.forEach((_, at) => {
            if (hidden(Math.floor(at / D) % Lk)) copy.data[at] = bad;
          });
          return copy;
        });
        const results = [clean, dirty].map(([q, k, v]) => {
          const call = attentionCall({ q: headsOf(q), k: headsOf(k), v: headsOf(v) }, options);
          const forward = kernel.attention(call);
          const back = kernel.attentionBackward(call, forward, normal(4, [B, H, Lq, D]));
          const map = kernel.attentionWeights(call, [0, Lq], [0, Lk]);
          return [forward.output, forward.lse, map, back.dq, back.dk, back.dv].map((t) => t.data.slice());
        });
        expect(results[1]).toEqual(results[0]);
      });
    }
    test("a map of more rows and keys than are worked on at once", () => {
      const [B, H, Lq, Lk, D] = [1, 2, 101, 701, 12];
      const inputs = [normal(1, [B, H, Lq, D]), normal(2, [B, H, Lk, D])];
      const options = { causal: true, window: { left: 500 }, alibi: true, sinks: [0.5, -1] } as const;
      const run = (k: Kernel, [q, key]: readonly Tensor[]): Tensor[] => {
        const call = attentionCall({ q: headsOf(q), k: headsOf(key), v: headsOf(key) }, options);
        const { lse } = k.attention(call);
        return [undefined, lse].map((given) => k.attentionWeights(call, [2, Lq], [90, Lk], given));
      };
      conforms(kernel, { steps: D + Lk, inputs, run });
    });
    test("NaN in a visible key or value is not hidden: exactly the rows that see it are NaN", () => {
      for (const which of [1, 2]) {
        const x = [normal(1, [1, 1, 37, 8]), normal(2, [1, 1, 37, 8]), normal(3, [1, 1, 37, 8])];
        x[which].data[19 * 8 + 3] = Number.NaN;
        const call = attentionCall({ q: headsOf(x[0]), k: headsOf(x[1]), v: headsOf(x[2]) }, { causal: true });
        const { output } = kernel.attention(call);
        const bad = Array.from({ length: 37 }, (_, i) => output.data.subarray(i * 8, i * 8 + 8).some(Number.isNaN));
        expect(bad).toEqual(Array.from({ length: 37 }, (_, i) => i >= 19));
      }
    });
  });
}
