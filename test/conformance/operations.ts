/** @file Every other operation of the interface, for any kernel. */
import { describe, expect, test } from "vitest";
import type { Activation, Binary, Kernel, Unary, WeightFormat } from "../../src/kernels/kernel.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { type Case, conforms, expectClose } from "./compare.js";
import { normal, whole } from "./numbers.js";

const UNARY: Unary[] = [
  "relu",
  "gelu",
  "geluTanh",
  "silu",
  "tanh",
  "sigmoid",
  "erf",
  "exp",
  "log",
  "sqrt",
  "rsqrt",
  "square",
  "negate",
  "reciprocal",
  "cos",
  "sin",
  "abs",
];
const BINARY: Binary[] = ["add", "subtract", "multiply", "divide", "maximum"];
const ACTIVATIONS: (Activation | undefined)[] = [undefined, "relu", "gelu", "geluTanh", "silu", "tanh"];
/** Only where x > 0 have these a real value with a slope. */
const POSITIVE = new Set<Unary>(["log", "sqrt", "rsqrt"]);
/** At −∞ the formula is −∞·0; a maker may give NaN or the limit 0, so it is not asked. */
const NO_VALUE_BELOW = new Set<Unary>(["gelu", "geluTanh", "silu"]);

export function operationsConform(kernel: Kernel): void {
  const check = (name: string, one: Case): void => test(name, () => conforms(kernel, one));
  const only =
    (f: (k: Kernel, x: readonly Tensor[]) => Tensor) =>
    (k: Kernel, x: readonly Tensor[]): Tensor[] => [f(k, x)];

  describe("matmul", () => {
    for (const [M, K, N] of [
      [1, 1, 1],
      [7, 13, 11],
      [1, 67, 131],
      [61, 67, 71],
      [5, 0, 3],
      [0, 5, 3],
    ]) {
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) {
          const a = normal(1, transposeA ? [K, M] : [M, K]);
          const b = normal(2, transposeB ? [N, K] : [K, N]);
          const options = { transposeA, transposeB, scale: 0.3 };
          check(`[${M}, ${K}]·[${K}, ${N}]${transposeA ? " aᵀ" : ""}${transposeB ? " bᵀ" : ""}`, {
            steps: K + 1,
            inputs: [a, b],
            run: only((k, [x, y]) => k.matmul(x, y, options)),
          });
        }
      }
    }
    check("batched", {
      steps: 7,
      inputs: [normal(1, [2, 3, 5, 7]), normal(2, [2, 3, 7, 11])],
      run: only((k, [x, y]) => k.matmul(x, y)),
    });
    check("batched, b shared", {
      steps: 7,
      inputs: [normal(1, [3, 5, 7]), normal(2, [7, 11])],
      run: only((k, [x, y]) => k.matmul(x, y)),
    });
    check("batched, a shared", {
      steps: 7,
      inputs: [normal(1, [5, 7]), normal(2, [3, 7, 11])],
      run: only((k, [x, y]) => k.matmul(x, y)),
    });
    test("an inner axis that disagrees is refused", () =>
      expect(() => kernel.matmul(normal(1, [2, 3]), normal(2, [4, 5]))).toThrow(
        "matmul: b has 4 rows to sum over in [4, 5]; expected 3, as in a [2, 3].",
      ));
  });

  describe("linear", () => {
    for (const [M, K, N] of [
      [1, 64, 128],
      [7, 13, 11],
      [37, 67, 71],
    ]) {
      for (const activation of ACTIVATIONS) {
        for (const packed of [false, true]) {
          const inputs = [normal(1, [M, K]), normal(2, [N, K], 0.3), normal(3, [N]), normal(4, [M, N])];
          check(`[${M}, ${K}] → ${N}, ${activation ?? "no activation"}, ${packed ? "packed" : "plain"}`, {
            steps: K + 3,
            inputs,
            run: only((k, [x, w, bias, residual]) => {
              const weight = packed ? k.pack(w) : w;
              const y = k.linear(x, weight, { bias, activation, residual });
              if ("kind" in weight) k.free(weight);
              return y;
            }),
          });
        }
      }
    }
    check("leading axes stay", {
      steps: 5,
      inputs: [normal(1, [2, 3, 5]), normal(2, [7, 5])],
      run: only((k, [x, w]) => k.linear(x, w)),
    });
    for (const format of ["f32", "bf16", "f16", "int8"] as WeightFormat[]) {
      test(`a weight packed as ${format} computes with exactly what unpack gives`, () => {
        const [x, w] = [normal(1, [3, 37]), normal(2, [29, 37])];
        const packed = kernel.pack(w, format);
        const plain = kernel.unpack(packed);
        if (format === "f32") expect([...plain.data]).toEqual([...w.data]);
        const want = kernel.linear(x, tensor(Float32Array.from(plain.data), [29, 37]));
        expectClose([kernel.linear(x, packed)], [want], [1e-5]); // 37 roundings of numbers below 20: 37·20·2⁻²⁴ = 4e-5 at worst
        const bits = { f32: 24, bf16: 8, f16: 11, int8: 7 }[format]; // |error| ≤ half a unit of the largest
        const largest = w.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        plain.data.forEach((v, n) => expect(Math.abs(v - w.data[n])).toBeLessThanOrEqual(largest * 2 ** -bits));
        kernel.free(packed);
      });
      for (const [M, K, N] of [
        [1, 37, 29],
        [2, 1101, 43],
        [1, 5, 3],
        [2, 1, 8],
      ]) {
        test(`${M} × ${K} × ${N}: so few rows, weight as ${format}`, () => {
          const [x, w] = [normal(3, [M, K]), normal(4, [N, K])];
          const packed = kernel.pack(w, format);
          const plain = Float32Array.from(kernel.unpack(packed).data);
          const y = kernel.linear(x, packed).data;
          for (let m = 0; m < M; m++) {
            const row = x.data.subarray(m * K, (m + 1) * K);
            const largest = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
            for (let n = 0; n < N; n++) {
              let [sum, size, sizeW] = [0, 0, 0];
              for (let k = 0; k < K; k++) {
                const [a, b] = [row[k], plain[n * K + k]];
                sum += a * b;
                size += Math.abs(a * b);
                sizeW += Math.abs(b);
              }
              const rounding = format === "int8" ? (sizeW * largest) / 65534 : 0; // x in 16 bits
              expect(Math.abs(y[m * N + n] - sum)).toBeLessThanOrEqual(rounding + (K + 2) * 2 ** -24 * size);
            }
          }
          kernel.free(packed);
        });
      }
      test(`one row with NaN, ∞ or huge numbers, weight as ${format}`, () => {
        const w = normal(5, [11, 20]);
        const packed = kernel.pack(w, format);
        const plain = tensor(Float32Array.from(kernel.unpack(packed).data), [11, 20]);
        for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, 3e20, 1e-42]) {
          const x = tensor(new Float32Array(20).fill(0).fill(odd, 7, 8), [1, 20]);
          const [got, want] = [kernel.linear(x, packed), kernel.linear(x, plain)].map((y) => [...y.data]);
          got.forEach((v, n) => {
            if (Number.isFinite(want[n]))
              expect(Math.abs(v - want[n])).toBeLessThanOrEqual(1e-5 * Math.abs(want[n]) + 1e-40);
            else expect(v).toBe(want[n]);
          });
        }
        kernel.free(packed);
      });
    }
    for (const format of ["bf16", "f16"] as WeightFormat[]) {
      test(`one row, a weight with ∞, subnormals and zeros as ${format}`, () => {
        const w = tensor([Number.POSITIVE_INFINITY, 1, 6e-8, -6e-8, 0, -0, 3e-5, 2, -1], [3, 3]);
        const packed = kernel.pack(w, format);
        const plain = tensor(Float32Array.from(kernel.unpack(packed).data), [3, 3]);
        const x = tensor([1, 2, 3], [1, 3]);
        expect([...kernel.linear(x, packed).data]).toEqual([...kernel.linear(x, plain).data]);
        kernel.free(packed);
      });
    }
  });

  describe("norms", () => {
    for (const [rows, n] of [
      [1, 1],
      [7, 13],
      [5, 64],
      [3, 131],
    ]) {
      const inputs = [normal(1, [rows, n]), normal(2, [n]), normal(3, [n])];
      const slopes = [...inputs, normal(4, [rows, n])];
      check(`layerNorm ${rows} × ${n}`, { steps: n, inputs, run: only((k, [x, w, b]) => k.layerNorm(x, w, b, 1e-5)) });
      check(`layerNorm ${rows} × ${n}, no weight`, {
        steps: n,
        inputs: inputs.slice(0, 1),
        run: only((k, [x]) => k.layerNorm(x, undefined, undefined, 1e-5)),
      });
      check(`rmsNorm ${rows} × ${n}`, { steps: n, inputs, run: only((k, [x, w]) => k.rmsNorm(x, w, 1e-6)) });
      check(`layerNorm backward ${rows} × ${n}`, {
        steps: n + rows,
        inputs: slopes,
        run: (k, [x, w, , dy]) => {
          const s = k.layerNormBackward(x, w, 1e-5, dy);
          return [s.dx, s.dWeight, s.dBias];
        },
      });
      check(`rmsNorm backward ${rows} × ${n}`, {
        steps: n + rows,
        inputs: slopes,
        run: (k, [x, w, , dy]) => {
          const s = k.rmsNormBackward(x, w, 1e-6, dy);
          return [s.dx, s.dWeight];
        },
      });
    }
    check("layerNorm far from zero: the mean is taken off before squaring", {
      steps: 64,
      inputs: [
        tensor(
          normal(1, [2, 64]).data.map((v) => v + 1000),
          [2, 64],
        ),
      ],
      run: only((k, [x]) => k.layerNorm(x, undefined, undefined, 1e-5)),
    });
  });

  describe("softmax", () => {
    for (const [rows, n] of [
      [1, 1],
      [7, 13],
      [3, 131],
      [2, 0],
    ]) {
      const x = normal(1, [rows, n], 5);
      check(`softmax ${rows} × ${n}`, { steps: n, inputs: [x], run: only((k, [v]) => k.softmax(v)) });
      check(`logSoftmax ${rows} × ${n}`, { steps: n, inputs: [x], run: only((k, [v]) => k.logSoftmax(v)) });
      check(`softmax backward ${rows} × ${n}`, {
        steps: n,
        inputs: [x, normal(2, [rows, n])],
        run: only((k, [v, dy]) => k.softmaxBackward(k.softmax(v), dy)),
      });
      check(`logSoftmax backward ${rows} × ${n}`, {
        steps: n,
        inputs: [x, normal(2, [rows, n])],
        run: only((k, [v, dy]) => k.logSoftmaxBackward(k.logSoftmax(v), dy)),
      });
    }
    check("scores of ten thousand", {
      steps: 3,
      inputs: [tensor([1e4, 1e4, 0, -1e4, -1e4, -1e4], [2, 3])],
      run: only((k, [v]) => k.softmax(v)),
    });
    const inf = Number.POSITIVE_INFINITY;
    test("−∞ has weight 0; a row of nothing else is 0/0", () => {
      const y = kernel.softmax(tensor([0, -inf, 0, -inf, -inf, -inf], [2, 3]));
      expectClose([y], [{ shape: [2, 3], data: [0.5, 0, 0.5, Number.NaN, Number.NaN, Number.NaN] }], [1e-7]);
    });
    for (const labelSmoothing of [0, 0.1]) {
      const labels = Int32Array.from([3, -100, 0, 12, -100]);
      const options = { ignoreIndex: -100, labelSmoothing };
      check(`crossEntropy, smoothing ${labelSmoothing}`, {
        steps: 13 + 5,
        inputs: [normal(1, [5, 13], 3)],
        run: only((k, [x]) => k.crossEntropy(x, labels, options)),
      });
      check(`crossEntropy backward, smoothing ${labelSmoothing}`, {
        steps: 13,
        inputs: [normal(1, [5, 13], 3)],
        run: only((k, [x]) => k.crossEntropyBackward(x, labels, options, 0.7)),
      });
    }
    test("crossEntropy of nothing but ignored rows is NaN", () => {
      const loss = kernel.crossEntropy(normal(1, [2, 3]), Int32Array.from([-100, -100]), {
        ignoreIndex: -100,
        labelSmoothing: 0,
      });
      expect(loss.data[0]).toBeNaN();
    });
  });

  describe("element by element", () => {
    const inf = Number.POSITIVE_INFINITY;
    for (const kind of UNARY) {
      const x = normal(1, [3, 67], 2);
      const domain =
        POSITIVE.has(kind) || kind === "reciprocal"
          ? tensor(
              x.data.map((v) => Math.abs(v) + 0.1),
              x.shape,
            )
          : x;
      check(`${kind}`, { steps: 8, inputs: [domain], run: only((k, [v]) => k.unary(kind, v)) });
      check(`${kind}, slope`, {
        steps: 8,
        inputs: [domain, normal(2, [3, 67])],
        run: only((k, [v, dy]) => k.unaryBackward(kind, v, dy)),
      });
      test(`${kind} at the edges`, () => {
        const edges = [0, -0, inf, Number.NaN, 1e-40, -1e-40, 3e38, 60, -60].concat(
          NO_VALUE_BELOW.has(kind) ? [] : [-inf],
        );
        conforms(kernel, { steps: 8, inputs: [tensor(edges)], run: only((k, [v]) => k.unary(kind, v)) });
      });
      test(`slope of ${kind} at the edges`, () => {
        const edges = [0, -0, Number.NaN, 1e-40, -1e-40, 1e-18, 1e18, 60, -60];
        const asked = [...edges, ...(NO_VALUE_BELOW.has(kind) ? [] : [inf, -inf, 3e38])];
        const inputs = [tensor(asked), tensor(asked.map((_, n) => (n % 2 === 0 ? 0.5 : -2)))];
        conforms(kernel, { steps: 8, inputs, run: only((k, [v, dy]) => k.unaryBackward(kind, v, dy)) });
      });
    }
    for (const kind of ["cos", "sin"] as const) {
      test(`${kind} of numbers up to 1e30, where float32 stands apart by far more than a turn`, () => {
        const x = Float32Array.from({ length: 400 }, (_, n) => (n % 2 === 0 ? 1 : -1) * 1.2 ** n);
        const y = kernel.unary(kind, tensor(x)).data;
        x.forEach((v, n) => expect(Math.abs(y[n] - Math[kind](v)), `${kind} ${v}`).toBeLessThan(2e-7));
      });
    }
    test("log of every size of number, subnormals too, to two units of the last place", () => {
      const x = Float32Array.from({ length: 2000 }, (_, n) => 1e-44 * 1.1 ** n).filter((v) => v > 0 && v < 3.4e38);
      const y = kernel.unary("log", tensor(x)).data;
      x.forEach((v, n) => {
        const want = Math.log(v);
        expect(Math.abs(y[n] - want), `log ${v}`).toBeLessThanOrEqual(Math.abs(want) * 2 ** -22 + 2 ** -25);
      });
    });
    const shapes: [number[], number[]][] = [
      [
        [5, 7],
        [5, 7],
      ],
      [[5, 7], [7]],
      [
        [5, 7],
        [5, 1],
      ],
      [[5, 7], [1]],
      [[1], [5, 7]],
      [
        [2, 3, 1, 5],
        [3, 7, 1],
      ],
      [
        [67, 1],
        [1, 67],
      ],
      [[0, 7], [7]],
    ];
    for (const kind of BINARY) {
      for (const [a, b] of shapes) {
        check(`${kind} [${a}] [${b}]`, {
          steps: 1,
          inputs: [normal(1, a), normal(2, b)],
          run: only((k, [x, y]) => k.binary(kind, x, y)),
        });
      }
    }
    check("affine", { steps: 2, inputs: [normal(1, [67])], run: only((k, [x]) => k.affine(x, 0.7, -2)) });
  });

  describe("reduce", () => {
    for (const kind of ["sum", "mean", "max"] as const) {
      for (const axes of [[0], [1], [2], [0, 2], [1, 2], [0, 1], [0, 1, 2], []]) {
        check(`${kind} over [${axes}]`, {
          steps: 3 * 5 * 7,
          inputs: [normal(1, [3, 5, 7])],
          run: only((k, [x]) => k.reduce(kind, x, axes)),
        });
      }
    }
  });

  describe("moves and lookups", () => {
    const x = normal(1, [2, 3, 5, 7]);
    for (const axes of [
      [0, 1, 2, 3],
      [0, 2, 1, 3],
      [3, 2, 1, 0],
      [1, 0, 3, 2],
      [0, 1, 3, 2],
    ]) {
      check(`permute ${axes}`, { steps: 0, inputs: [x], run: only((k, [v]) => k.permute(v, axes)) });
    }
    for (const axis of [0, 1, 2, 3]) {
      check(`slice axis ${axis}`, { steps: 0, inputs: [x], run: only((k, [v]) => k.slice(v, axis, 1, x.shape[axis])) });
      check(`empty slice of axis ${axis}`, { steps: 0, inputs: [x], run: only((k, [v]) => k.slice(v, axis, 1, 1)) });
      check(`concat axis ${axis}`, {
        steps: 0,
        inputs: [x, normal(2, x.shape)],
        run: only((k, [a, b]) => k.concat([a, b, k.slice(a, axis, 0, 1)], axis)),
      });
    }
    check("reshape", { steps: 0, inputs: [x], run: only((k, [v]) => k.reshape(v, [6, 35])) });
    check("gather", {
      steps: 0,
      inputs: [normal(1, [11, 7])],
      run: only((k, [t]) => k.gather(t, Int32Array.from([10, 0, 3, 3]))),
    });
    check("scatterAdd: a row named twice receives twice", {
      steps: 4,
      inputs: [normal(1, [5, 7])],
      run: only((k, [dy]) => k.scatterAdd(dy, Int32Array.from([1, 4, 1, 0, 1]), 6)),
    });
    test("an id outside the table is refused", () =>
      expect(() => kernel.gather(normal(1, [11, 7]), Int32Array.from([2, 11]))).toThrow(
        "gather: ids[1] is 11; expected 0 to 10: the table has 11 rows.",
      ));
    for (const interleaved of [true, false]) {
      for (const dim of [14, 6]) {
        const angles = normal(3, [13, dim / 2]);
        const inputs = [
          normal(1, [5, 14]),
          tensor(angles.data.map(Math.cos), angles.shape),
          tensor(angles.data.map(Math.sin), angles.shape),
        ];
        const positions = whole(4, 5, 13);
        check(`rotary, dim ${dim} of 14${interleaved ? ", interleaved" : ""}`, {
          steps: 3,
          inputs,
          run: only((k, [v, c, s]) => k.rotary(v, c, s, positions, { interleaved, dim })),
        });
      }
    }
  });

  describe("training", () => {
    const fresh = (k: Kernel, x: Tensor): Tensor => k.affine(x, 1);
    check("addInPlace", {
      steps: 2,
      inputs: [normal(1, [67]), normal(2, [67])],
      run: only((k, [a, b]) => {
        const t = fresh(k, a);
        k.addInPlace(t, b, 0.3);
        return t;
      }),
    });
    check("scaleInPlace", {
      steps: 1,
      inputs: [normal(1, [67])],
      run: only((k, [a]) => {
        const t = fresh(k, a);
        k.scaleInPlace(t, 0.3);
        return t;
      }),
    });
    check("sumOfSquares", {
      steps: 131,
      inputs: [normal(1, [131])],
      run: only((k, [a]) => tensor([k.sumOfSquares(a)])),
    });
    check("adamWInPlace", {
      steps: 8,
      inputs: [normal(1, [67]), normal(2, [67]), normal(3, [67], 0.1), tensor(normal(4, [67], 0.1).data.map(Math.abs))],
      run: (k, x) => {
        const [p, g, m, v] = x.map((t) => fresh(k, t));
        k.adamWInPlace(p, g, m, v, {
          learningRate: 0.01,
          beta1: 0.9,
          beta2: 0.99,
          epsilon: 1e-8,
          weightDecay: 0.1,
          step: 3,
        });
        return [p, m, v];
      },
    });
  });

  describe("memory", () => {
    test("allocated numbers outlive every scope and are given back", () => {
      const before = kernel.bytesInUse;
      const kept = kernel.scope(() => kernel.allocate([5, 7]));
      kept.data.set(normal(1, [5, 7]).data);
      kernel.scope(() => {
        for (let n = 0; n < 50; n++) kernel.unary("exp", normal(n, [997]));
      });
      expect([...kept.data]).toEqual([...normal(1, [5, 7]).data]);
      kernel.free(kept);
      expect(kernel.bytesInUse).toBeLessThanOrEqual(before);
    });
    test("a thousand operations in scopes leave no more memory in use than one", () => {
      const step = (): void => kernel.scope(() => void kernel.matmul(normal(1, [31, 37]), normal(2, [37, 41])));
      step();
      const after = kernel.bytesInUse;
      for (let n = 0; n < 1000; n++) step();
      expect(kernel.bytesInUse).toBeLessThanOrEqual(after);
    });
  });
}
