/**
 * @file Attention as one operator: the standard's (opset 23 and later) and com.microsoft's.
 *
 * | operator                          | its map                                                          |
 * |-----------------------------------|------------------------------------------------------------------|
 * | Attention                         | output 3 with qk_matmul_output_mode = 3 (after the softmax)      |
 * | MultiHeadAttention                | output 3: masked, scaled scores                                  |
 * | GroupQueryAttention               | output 3 with qk_output = 2 (after the softmax)                  |
 * | DecoderMaskedMultiHeadAttention   | output 3 with output_qk = 1: scores                              |
 * | Attention, QAttention (packed)    | none: computed beside it from its inputs                         |
 * | others (sparse, packed, paged)    | none: listed, not shown                                          |
 */
import { intOf, type Node } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";
import type { Found, Tap } from "./found.js";

interface Fused {
  tap: (node: Node) => Tap;
  /** Attribute with the number of query heads. */
  heads: string;
  /** Inputs added to the scores or deciding who may attend: −∞ or false throughout a row means that it sees no key. */
  masks?: readonly number[];
  /** The input with the keys of earlier steps. */
  past?: number;
}

const asked =
  (index: number, name: string, value: number, scores: boolean) =>
  (node: Node): Tap => {
    const given = node.outputs[index];
    const same = intOf(node, name, 0) === value;
    return given && same && !scores
      ? { form: "tensor", tensor: given, transposed: false }
      : { form: "output", index, attribute: { name, value }, scores };
  };

const hidden = ({ op }: Node): Tap => ({ form: "hidden", why: `${op} keeps its map to itself` });

const operators: Record<string, Record<string, Fused>> = {
  "": { Attention: { tap: asked(3, "qk_matmul_output_mode", 3, false), heads: "q_num_heads", masks: [3], past: 4 } },
  "com.microsoft": {
    MultiHeadAttention: { tap: () => ({ form: "output", index: 3, scores: true }), heads: "num_heads", past: 6 },
    GroupQueryAttention: { tap: asked(3, "qk_output", 2, false), heads: "num_heads", past: 3 },
    DecoderMaskedMultiHeadAttention: { tap: asked(3, "output_qk", 1, true), heads: "num_heads", past: 5 },
    Attention: { tap: () => ({ form: "beside" }), heads: "num_heads" },
    QAttention: { tap: () => ({ form: "beside" }), heads: "num_heads" },
    DecoderMaskedSelfAttention: { tap: () => ({ form: "beside" }), heads: "num_heads" },
    SparseAttention: { tap: hidden, heads: "num_heads" },
    LongformerAttention: { tap: hidden, heads: "num_heads" },
    QOrderedAttention: { tap: hidden, heads: "num_heads" },
    PackedAttention: { tap: hidden, heads: "num_heads" },
    PackedMultiHeadAttention: { tap: hidden, heads: "num_heads" },
    PagedAttention: { tap: hidden, heads: "num_heads" },
    DecoderAttention: { tap: hidden, heads: "num_heads" },
  },
};

/** Finds every attention of one graph that is an operator of its own. */
export function findFused(scope: Scope): Found[] {
  const found: Found[] = [];
  for (const node of scope.order) {
    const table = operators[node.domain];
    const fused = table && Object.hasOwn(table, node.op) ? table[node.op] : undefined;
    if (!fused) continue;
    const q = node.inputs[0] ?? "";
    // Without its own keys the operator takes q, k and v from one packed input; weights in second place are no keys.
    const separate = node.inputs[1] && scope.value(node.inputs[1]).origin !== "weight" ? node.inputs[1] : undefined;
    const rank4 = scope.value(q).dims?.length === 4 ? scope.value(q).dims![1] : undefined;
    found.push({
      scope,
      node,
      tap: fused.tap(node),
      masks: (fused.masks ?? []).map((i) => node.inputs[i]).filter((name): name is string => Boolean(name)),
      q,
      k: separate ?? q,
      self:
        Boolean(node.inputs[fused.past ?? -1]) ||
        ["unidirectional", "is_causal"].some((name) => intOf(node, name, 0) === 1),
      result: node.outputs[0]!,
      heads: node.attributes.get(fused.heads)?.i ?? rank4,
      witnesses: [node],
    });
  }
  return found;
}
