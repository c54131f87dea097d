/**
 * @file com.microsoft.Attention and its quantised kin take one matrix for q, k and v and give no weights. Their first half
 * is computed again beside them, from the same inputs, with plain operators:
 *
 *     x W + b → q, k, v → q·kᵀ · scale + mask + bias → softmax
 *
 * The operator itself stays, so the ordinary outputs do not change by a bit.
 * Meaning of the inputs: onnxruntime/docs/ContribOperators.md, com.microsoft.Attention.
 */
import { floatOf, FLOAT, INT32, intOf, type Node } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";
import { intAttribute } from "../proto/write.js";
import type { Builder } from "./builder.js";

export interface Beside {
  /** [B, H, T, P + T] */
  weights: string;
  /** What the softmax reads. */
  scores: string;
}

const done = new WeakMap<Builder, Map<Node, Beside | undefined>>();

/** Gives weights and scores of a packed attention; undefined for a form that is not understood (rotary inside). */
export function weightsBeside(b: Builder, scope: Scope, node: Node): Beside | undefined {
  const known = done.get(b) ?? new Map<Node, Beside | undefined>();
  done.set(b, known);
  if (!known.has(node)) known.set(node, built(b, scope, node));
  return known.get(node);
}

function built(b: Builder, scope: Scope, node: Node): Beside | undefined {
  const input = (i: number): string | undefined => node.inputs[i] || undefined;
  const quantised = node.op === "QAttention";
  const heads = node.attributes.get("num_heads")?.i;
  const hidden = hiddenSize(scope, node);
  if (!heads || !hidden || hidden % heads !== 0 || intOf(node, "do_rotary", 0) === 1) return undefined;
  if (intOf(node, "past_present_share_buffer", 0) === 1) return undefined;
  const headDim = hidden / heads;
  const x = quantised ? quantisedProduct(b, node) : floatProduct(b, node, scope);
  const width = scope.value(node.inputs[1]!).dims!.at(-1)!;
  const [q, kNew] = b.split(x, 2, [hidden, hidden, width - 2 * hidden]) as [string, string, string];
  const toHeads = (t: string): string => b.transpose(b.reshape(t, b.ints(0, 0, heads, headDim)), [0, 2, 1, 3]); // [B, H, T, D]
  let k = toHeads(kNew);
  const past = input(quantised ? 8 : 4);
  if (past) {
    // past [2, B, H, P, D]: keys first.
    const keys = b.op("Gather", [past, b.int(0)], [intAttribute("axis", 0)]);
    k = b.concat(2, b.cast(keys, FLOAT), k);
  }
  const scale = floatOf(node, "scale", 0) || 1 / Math.sqrt(headDim);
  let s = b.op("MatMul", [toHeads(q), b.transpose(k, [0, 1, 3, 2])]);
  s = b.op("Mul", [s, b.float(scale)]);
  const filter = floatOf(node, "mask_filter_value", -10000);
  const mask = input(quantised ? 5 : 3);
  if (mask) s = b.op("Add", [s, maskBias(b, scope, mask, s, filter)]);
  const bias = quantised ? undefined : input(5);
  if (bias) s = b.op("Add", [s, b.cast(bias, FLOAT)]);
  if (intOf(node, "unidirectional", 0) === 1) s = causal(b, s);
  return { scores: s, weights: b.softmax(s) };
}

/** Width of q and of k: an attribute, else a third of the weight's width. */
function hiddenSize(scope: Scope, node: Node): number | undefined {
  const sizes = node.attributes.get("qkv_hidden_sizes")?.ints;
  const width = scope.value(node.inputs[1] ?? "").dims?.at(-1);
  return sizes?.[0] ?? (width === undefined ? undefined : width / 3);
}

function floatProduct(b: Builder, node: Node, scope: Scope): string {
  const half = scope.value(node.inputs[0]!).type !== FLOAT;
  const as = (name: string): string => (half ? b.cast(name, FLOAT) : name);
  const x = b.op("MatMul", [as(node.inputs[0]!), as(node.inputs[1]!)]);
  return node.inputs[2] ? b.op("Add", [x, as(node.inputs[2])]) : x;
}

/** (x − zx)(W − zw) · sx · sw + b in whole numbers, as QAttention does. */
function quantisedProduct(b: Builder, { inputs }: Node): string {
  const zero = (i: number): string => inputs[i] ?? "";
  const product = b.op("MatMulInteger", trimmed([inputs[0]!, inputs[1]!, zero(6), zero(7)]));
  const scale = b.op("Mul", [inputs[3]!, inputs[4]!]);
  return b.op("Add", [b.op("Mul", [b.cast(product, FLOAT), scale]), inputs[2]!]);
}

function trimmed(inputs: string[]): string[] {
  while (inputs.at(-1) === "") inputs.pop();
  return inputs;
}

/** A mask in any of its forms as something to add to scores [B, H, T, S]. */
function maskBias(b: Builder, scope: Scope, mask: string, scores: string, filter: number): string {
  const rank = scope.value(mask).dims?.length ?? 1;
  const outside = (allowed: string): string =>
    b.op("Mul", [b.op("Sub", [b.float(1), b.cast(allowed, FLOAT)]), b.float(filter)]);
  if (rank === 2) return outside(b.unsqueeze(mask, 1, 2)); // [B, S] → [B, 1, 1, S]
  if (rank === 3) return outside(b.unsqueeze(mask, 1)); // [B, T, S] → [B, 1, T, S]
  if (rank === 4) return outside(cut(b, mask, scores)); // [B, 1, M, M], the last T rows of the first S
  // Whole numbers per text: [B] = where it ends, [2B] = also where it begins. One text has a row of its own: [B, 1, 1, 1].
  const batch = b.lengths(scores, 0);
  const ends = b.op("Slice", [mask, b.ints(0), batch, b.ints(0)]);
  const column = (x: string): string => b.reshape(x, b.ints(-1, 1, 1, 1));
  const place = b.cast(b.range(b.length(scores, 3)), INT32);
  const before = b.op("Less", [place, column(ends)]);
  // With [B] this slice is empty, and the largest of nothing and 0 is 0: Pad makes it [B] zeros.
  const all = b.concat(0, mask, b.op("Mul", [ends, b.cast(b.int(0), INT32)]));
  const starts = b.op("Slice", [all, batch, b.op("Mul", [batch, b.ints(2)]), b.ints(0)]);
  const after = b.op("Not", [b.op("Less", [place, column(starts)])]);
  return outside(b.op("And", [before, after]));
}

/** Rows S − T … S and columns 0 … S of a mask [B, 1, M, M]. */
function cut(b: Builder, mask: string, scores: string): string {
  const [t, s] = [b.lengths(scores, 2), b.lengths(scores, 3)];
  const rows = b.op("Slice", [mask, b.op("Sub", [s, t]), s, b.ints(2)]);
  return b.op("Slice", [rows, b.ints(0), s, b.ints(3)]);
}

/** Row i of T sees keys up to i + S − T. */
function causal(b: Builder, scores: string): string {
  const [t, s] = [b.length(scores, 2), b.length(scores, 3)];
  const rows = b.op("Add", [b.unsqueeze(b.range(t), 1), b.op("Sub", [s, t])]);
  const later = b.op("Less", [rows, b.unsqueeze(b.range(s), 0)]);
  return b.op("Where", [later, b.float(-3.4028234663852886e38), scores]);
}
