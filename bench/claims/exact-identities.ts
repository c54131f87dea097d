/**
 * @file Claims that are equalities: they hold to rounding or not at all.
 *     node --import jiti/register bench/claims/exact-identities.ts
 */
import { linearAttention, slidingWindow, topKBlocks } from "../../src/attention/efficient/index.js";
import { attend, intervals, merge } from "../../src/attention/efficient/parts.js";
import { normals } from "../../src/tensor/random.js";
import { attention } from "../../src/attention/index.js";
import { defaultKernel, ops } from "../../src/kernels/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { digits, type Finding, report } from "./claim.js";

const normal = (seed: number, ...shape: number[]) =>
  tensor(
    normals(
      seed,
      shape.reduce((a, b) => a * b, 1),
    ),
    shape,
  );
const apart = (a: Tensor, b: Tensor) => a.data.reduce((worst, x, n) => Math.max(worst, Math.abs(x - b.data[n]!)), 0);
const findings: Finding[] = [];
const equal = (claim: string, got: number, within: number) =>
  findings.push({
    claim,
    target: `equal, to ${within}`,
    measured: `largest difference ${digits(got, 2)}`,
    holds: got <= within,
  });

// FlashAttention (2205.14135): attention over blocks of keys, joined by log-sum-exp, for every block size.
const [q, k, v] = [normal(1, 1, 2, 200, 32), normal(2, 1, 2, 200, 32), normal(3, 1, 2, 200, 32)];
const exact = attention(q, k, v);
let worst = 0;
for (let size = 1; size <= 200; size = size < 8 ? size + 1 : Math.ceil(size * 1.5)) {
  const parts = [];
  for (let from = 0; from < 200; from += size)
    parts.push(
      attend(
        q,
        k,
        v,
        1 / Math.sqrt(32),
        intervals(200, 200, () => [from, from + size]),
      ),
    );
  worst = Math.max(worst, apart(merge(parts), exact));
}
equal("FlashAttention: blocked = dense for every block size from 1 to 200", worst, 1e-6);
const flat = slidingWindow.cost({ length: 65536, headDim: 64 }, { window: Infinity, causal: true });
findings.push({
  claim: "FlashAttention: exact attention over 65,536 tokens needs no N × N array",
  target: "scratch O(N)",
  measured: `${flat.memory / 1e6} MB beside the output, a map would be ${(4 * 65536 ** 2) / 1e9} GB`,
  holds: flat.memory <= 8 * 65536,
});

// MoBA (2502.13189): top-k over all blocks.
for (const causal of [false, true]) {
  equal(
    `MoBA: top-k = all blocks is dense ${causal ? "causal " : ""}attention`,
    apart(topKBlocks(q, k, v, { blockSize: 16, topK: 13, causal }), attention(q, k, v, { causal })),
    1e-6,
  );
}

// Linear attention (2006.16236): three forms.
const forms = (["recurrent", "chunked", "parallel"] as const).map((form) =>
  linearAttention(q, k, v, { causal: true, form }),
);
equal("linear attention: recurrent = chunked", apart(forms[0]!, forms[1]!), 1e-6);
equal("linear attention: recurrent = parallel", apart(forms[0]!, forms[2]!), 1e-6);
const step = linearAttention.cost({ length: 1, headDim: 64 }, { rule: "linear", form: "recurrent", returnState: true });
const later = linearAttention.cost(
  { length: 1, headDim: 64 },
  { rule: "linear", form: "recurrent", state: normal(1, 1, 1, 64, 64), returnState: true },
);
findings.push({
  claim: "linear attention: a step costs the same at any position, state D·Dv",
  target: "O(1)",
  measured: `${step.multiplyAdds} multiply-adds for the first token, ${later.multiplyAdds} for a later one; state of ${64 * 64} numbers`,
  holds: step.multiplyAdds === later.multiplyAdds,
});

// Gated DeltaNet (2412.06464) §2: the delta rule overwrites a key when β = 1 and ‖k‖ = 1.
const keys = normal(5, 40, 16);
for (let r = 0; r < 40; r++) {
  const row = keys.data.subarray(r * 16, (r + 1) * 16);
  const length = Math.hypot(...row);
  for (let d = 0; d < 16; d++) row[d]! /= length;
}
const values = normal(6, 40, 8);
equal(
  "delta rule: with β = 1 and ‖k‖ = 1 a key reads back the value just written",
  apart(linearAttention(keys, keys, values, { rule: "delta", scale: 1, form: "recurrent" }), values),
  1e-5,
);

// Attention Is All You Need §3.2.1: scores of normal q, k have variance d; 1/√d makes it 1.
for (const d of [16, 64, 256, 1024]) {
  const scores = ops().matmul(normal(7, 200, d), normal(8, 200, d), { transposeB: true }).data;
  const variance = scores.reduce((s, x) => s + x * x, 0) / scores.length / d;
  const top = (scale: number) => {
    let sum = 0;
    for (let i = 0; i < 200; i++) {
      const row = Array.from(scores.subarray(i * 200, i * 200 + 32), (s) => scale * s); // 32 keys
      const m = Math.max(...row);
      sum += 1 / row.reduce((t, s) => t + Math.exp(s - m), 0);
    }
    return sum / 200;
  };
  findings.push({
    claim: `1/√d: var(q·k)/d is 1 at d = ${d}`,
    target: "1, within 0.06",
    measured: `${digits(variance, 3)}; largest of 32 weights ${digits(top(1), 2)} unscaled, ${digits(top(1 / Math.sqrt(d)), 2)} scaled`,
    holds: Math.abs(variance - 1) < 0.06,
  });
}

// NSA (2502.11089) §3, tokens read at 65,536: compressed blocks of 32 with stride 16, 16 chosen blocks of 64, a window of 512.
const read = Math.floor((65536 - 32) / 16) + 1 + 16 * 64 + 512;
findings.push({
  claim: "NSA: tokens read for one query at 65,536",
  target: "5,632",
  measured: `${read} = 4,095 compressed + 1,024 chosen + 512 near`,
  holds: Math.abs(read - 5632) <= 1,
});

report("Equalities", `kernel ${defaultKernel().name}, float32; normal inputs`, findings);
