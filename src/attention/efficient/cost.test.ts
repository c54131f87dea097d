import { describe, expect, test } from "vitest";
import { type AttentionCall, ReferenceKernel, withOperations } from "../../kernels/index.js";
import type { Tensor } from "../../tensor/index.js";
import {
  bigBird,
  type CommonOptions,
  fixed,
  linearAttention,
  linformer,
  longformer,
  type Mechanism,
  performer,
  reformer,
  slidingWindow,
  streaming,
  strided,
  topKBlocks,
} from "./index.js";
import { normal } from "./testing.js";

/** A reference kernel that counts the products it adds up, pair by pair as the rule is defined. */
class Instrumented extends ReferenceKernel {
  multiplyAdds = 0;
  pairs = 0;

  override matmul(a: Tensor, b: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
    const c = super.matmul(a, b, options);
    this.multiplyAdds += c.size * (options.transposeA ? a.shape.at(-2)! : a.shape.at(-1)!); // each number is a sum of K
    return c;
  }
  override linear(x: Tensor, weight: Tensor): Tensor {
    const y = super.linear(x, weight);
    this.multiplyAdds += y.size * x.shape.at(-1)!;
    return y;
  }
  override attention(call: AttentionCall) {
    const { rule } = call;
    for (let b = 0; b < call.batch; b++) {
      for (let h = 0; h < call.heads; h++) {
        for (let i = 0; i < call.queries; i++) {
          for (let j = 0; j < call.keys; j++) {
            const r = rule.perBatch ? b * call.queries + i : i;
            if (j < rule.first[r]! || j >= rule.end[r]!) continue;
            if (rule.keyMask && !rule.keyMask.data[b * rule.keyMask.batchStride + j]) continue;
            if (rule.mask && !at(rule.mask.data, rule.mask.strides, [b, h, i, j])) continue;
            const size = rule.blocks?.size ?? 1;
            if (
              rule.blocks &&
              !at(rule.blocks.data, rule.blocks.strides, [b, h, Math.floor(i / size), Math.floor(j / size)])
            )
              continue;
            this.pairs++;
            this.multiplyAdds += call.headDim + call.valueDim;
          }
        }
      }
    }
    return super.attention(call);
  }
}

function at(data: Uint8Array, strides: readonly number[], index: readonly number[]): number {
  return data[index.reduce((n, x, axis) => n + x * strides[axis]!, 0)]!;
}

type Any = Mechanism<CommonOptions>;
const cases: [string, Any, object][] = [
  ["slidingWindow", slidingWindow as Any, { window: { left: 3, right: 1 } }],
  ["slidingWindow, causal", slidingWindow as Any, { window: 5, causal: true }],
  ["strided", strided as Any, { stride: 4 }],
  ["fixed", fixed as Any, { blockSize: 4, causal: true }],
  ["longformer", longformer as Any, { window: 2, dilation: 2, globalTokens: [0, 7] }],
  ["bigBird", bigBird as Any, { blockSize: 4, randomBlocks: 1 }],
  ["reformer, hashed", reformer as Any, { chunkLength: 4, rounds: 2, buckets: 4 }],
  ["reformer, local", reformer as Any, { chunkLength: 4, hashing: false, causal: true }],
  ["linformer", linformer as Any, { rank: 5 }],
  ["performer", performer as Any, { features: 9 }],
  ["performer, causal", performer as Any, { features: 9, causal: true, chunk: 8 }],
  ["linearAttention", linearAttention as unknown as Any, {}],
  ["linearAttention, delta", linearAttention as unknown as Any, { rule: "delta", chunk: 8 }],
  ["linearAttention, recurrent", linearAttention as unknown as Any, { rule: "linear", form: "recurrent" }],
  ["streaming", streaming as Any, { sinks: 2, window: 5 }],
  ["topKBlocks", topKBlocks as Any, { blockSize: 4, topK: 30 }],
];

describe("cost", () => {
  test.each(cases)("%s: the count without computing equals the count of a kernel at work", (_, mechanism, options) => {
    const kernel = new Instrumented();
    const hashed = mechanism.mechanism === "reformer" && !("hashing" in options);
    const q = normal(1, 2, 4, 27, 6);
    const k = hashed ? q : normal(2, 2, 2, 27, 6);
    const v = normal(3, 2, hashed ? 4 : 2, 27, 5);
    withOperations(kernel, () => mechanism(q, k, v, options));
    const shape = { batch: 2, heads: 4, keyHeads: hashed ? 4 : 2, length: 27, headDim: 6, valueDim: 5 };
    const cost = mechanism.cost(shape, options);
    // Which neighbours a hash gives depends on the numbers: a query may meet itself, or padding, more or less often.
    const apart = hashed ? 0.01 * kernel.pairs : 0;
    expect(Math.abs(cost.pairs - kernel.pairs)).toBeLessThanOrEqual(apart);
    expect(Math.abs(cost.multiplyAdds - kernel.multiplyAdds)).toBeLessThanOrEqual(11 * apart); // D + Dv a pair
    expect(cost.multiplyAdds).toBeGreaterThan(0);
  });
  test("options may stand beside the lengths, and a bare shape means self-attention", () => {
    const apart = slidingWindow.cost({ length: 100, headDim: 8 }, { window: { left: 4, right: 0 } });
    expect(slidingWindow.cost({ length: 100, headDim: 8, window: { left: 4, right: 0 } })).toEqual(apart);
    expect(slidingWindow.cost([1, 1, 100, 8], { window: { left: 4, right: 0 } })).toEqual(apart);
    expect(apart.pairs).toBe(100 * 5 - (4 + 3 + 2 + 1));
    expect(apart.multiplyAdds).toBe(apart.pairs * 16);
    expect(apart.bytes).toBe(4 * (3 * 100 * 8 + 100 * 8 + 100)); // q, k, v read, output and a log-sum-exp a row written
  });
  test("a padded length is said", () => {
    expect(bigBird.cost([1, 1, 45, 8], { blockSize: 4 }).notes).toEqual([
      "length 45 is padded to 48, a multiple of blockSize 4",
    ]);
    expect(reformer.cost([1, 1, 45, 8], { chunkLength: 8 }).notes).toEqual([
      "length 45 is padded to 48, a multiple of chunkLength 8",
    ]);
    expect(bigBird.cost([1, 1, 48, 8], { blockSize: 4 }).notes).toEqual([]);
  });
  test("a window's count at 65,536 tokens needs no map", () => {
    const cost = slidingWindow.cost({ length: 65536, headDim: 64 }, { window: 128, causal: true });
    expect(cost.pairs).toBe(65536 * 129 - (128 * 129) / 2);
    expect(cost.memory).toBe(4 * 65536); // a log-sum-exp a row beside the output
  });
});
