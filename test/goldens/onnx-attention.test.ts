/**
 * @file attention equals the ONNX Attention operator on its own test vectors: output Y in every case, and the weights
 * where a case asks for them (qk_matmul_output_mode 3).
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { attention, attentionWeights, mergeHeads, splitHeads } from "../../src/attention/index.js";
import type { AttentionOptions } from "../../src/attention/options.js";
import { ops } from "../../src/kernels/current.js";
import { type Tensor, type TensorLike, tensor } from "../../src/tensor/index.js";
import { expectWithin, type Golden, readGolden } from "./numbers.js";
import { type GoldenCase, goldenSets } from "./where.js";

const cases = goldenSets("onnx-attention");

test("the set is here", () => expect(cases.length).toBeGreaterThanOrEqual(50));

interface Slot {
  param: string;
  tensor: string | null;
  dtype?: string;
  shape?: number[];
}

/** An operator call in our words: its operands as heads, its attributes as options. */
function translate(c: GoldenCase, golden: Golden) {
  const slots = c.about.inputs as Slot[];
  const slot = (param: string): Slot | undefined => slots.find((s) => s.param === param && s.tensor);
  const read = (param: string): Tensor | undefined => {
    const s = slot(param);
    return s && golden.float32(s.tensor!);
  };
  const a = { ...c.about.attribute_defaults, ...c.about.attributes };
  const heads = (x: Tensor, n: number): Tensor => (x.shape.length === 3 ? splitHeads(x, n) : x);
  const q = heads(read("Q")!, a.q_num_heads);
  const withPast = (name: string, past: Tensor | undefined): Tensor => {
    const x = heads(read(name)!, a.kv_num_heads);
    return past ? ops().concat([past, x], 2) : x;
  };
  const [k, v] = [withPast("K", read("past_key")), withPast("V", read("past_value"))];
  const [Lq, Lk] = [q.shape[2], k.shape[2]];
  const lengths = slot("nonpad_kv_seqlen") && Array.from(golden.raw(slot("nonpad_kv_seqlen")!.tensor!).data, Number);
  const past = read("past_key")?.shape[2] ?? 0;
  const sides = { left: a.left_window_size ?? -1, right: a.right_window_size ?? -1 };
  const open = (n: number): number | null => (n < 0 ? null : n);
  const options: AttentionOptions = {
    ...(a.is_causal === 1 && { causal: true }),
    queryOffset: lengths ? lengths.map((n) => n - Lq) : past, // ONNX aligns at the first key, moved by what came before
    ...(lengths && { keyLengths: lengths }),
    ...((sides.left >= 0 || sides.right >= 0) && { window: { left: open(sides.left), right: open(sides.right) } }),
    ...(a.scale !== undefined && { scale: a.scale }),
    ...(a.softcap && { softcap: a.softcap }),
    ...maskOf(slot("attn_mask"), golden, Lk),
  };
  return { q, k, v, options };
}

/** A boolean mask is a mask, a float one a bias; one that is too short says nothing of the last keys: they are masked. */
function maskOf(slot: Slot | undefined, golden: Golden, keys: number): Pick<AttentionOptions, "mask" | "bias"> {
  if (!slot?.tensor) return {};
  const { data, shape } = slot.dtype === "BOOL" ? golden.raw(slot.tensor) : golden.float32(slot.tensor);
  const given = shape[shape.length - 1];
  const full = [...shape.slice(0, -1), keys];
  const rows = data.length / given;
  const padded = new Float32Array(rows * keys).fill(slot.dtype === "BOOL" ? 0 : Number.NEGATIVE_INFINITY);
  for (let r = 0; r < rows; r++) for (let j = 0; j < given; j++) padded[r * keys + j] = Number(data[r * given + j]);
  const like: TensorLike = tensor(padded, full);
  return slot.dtype === "BOOL" ? { mask: like } : { bias: like };
}

describe("ONNX Attention", () => {
  test.each(cases)("$id", (c) => {
    const golden = readGolden(join(c.folder, "tensors.safetensors"));
    const { q, k, v, options } = translate(c, golden);
    const outputs = c.about.outputs as Slot[];
    const Y = golden.float32(outputs.find((o) => o.param === "Y")!.tensor!);
    const largest = Y.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    // Half-precision cases were computed and stored in 11 or 8 bits: a few units of the last place of the result.
    const half = { F16: 2 ** -9, BF16: 2 ** -6 }[(c.about.inputs as Slot[])[0].dtype ?? ""] ?? 0;
    const allowed = c.about.atol + (half || 4e-6) * Math.max(1, largest);
    const got = attention(q, k, v, options);
    expectWithin(Y.shape.length === 3 ? mergeHeads(got) : got, Y, allowed, `${c.id} Y`);
    const weights = outputs.find((o) => o.param === "qk_matmul_output" && o.tensor);
    if (weights && c.about.attributes.qk_matmul_output_mode === 3) {
      expectWithin(attentionWeights(q, k, options), golden.float32(weights.tensor!), half || 4e-6, `${c.id} weights`);
    }
  });
});
