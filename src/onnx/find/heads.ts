/** @file How many heads an attention has, read from shapes. */
import type { Node } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";
import type { Tap } from "./found.js";

/** Heads of a tapped map whose queries enter the first product as `q`; undefined where only a run can tell. */
export function headsOf(scope: Scope, tap: Tap, q: string): number | undefined {
  if (tap.form !== "tensor") return undefined;
  const { dims } = scope.value(tap.tensor);
  if (tap.perm) return dims?.[tap.perm[1]!];
  if (dims?.length === 4) return dims[1] ?? fromQueries(scope, q);
  return dims?.length === 2 ? 1 : fromQueries(scope, q);
}

const layout = new Set(
  "Reshape Transpose Mul Div Cast Add Concat Slice Neg Unsqueeze Squeeze Identity Expand Split RotaryEmbedding LayerNormalization SimplifiedLayerNormalization RMSNormalization QuantizeLinear DequantizeLinear".split(
    " ",
  ),
);

/**
 * Queries on their way to the product were cut into heads: [B, T, H·D] became [B, T, H, D], [B, H, T, D] or [B·H, T, D].
 * The heads are an axis of a tensor with four axes, or the quotient of two last axes.
 */
function fromQueries(scope: Scope, q: string): number | undefined {
  const start = scope.value(q).dims;
  if (start?.length === 4) return start[1] ?? undefined;
  const size = start?.at(-1);
  let name = q;
  for (let i = 0; i < 30; i++) {
    const node: Node | undefined = scope.maker(name)?.node;
    if (!node || !layout.has(node.op)) return undefined;
    name = node.inputs[0]!;
    const { dims } = scope.value(name);
    const width = dims?.at(-1);
    if (dims?.length === 4) {
      // [B, H, T, D] is about to be flattened, [B, T, H, D] about to be turned round.
      const axis = node.op === "Transpose" ? 2 : 1;
      if (dims[axis] !== undefined) return dims[axis];
    }
    if (node.op === "Reshape" && size && width && width > size && width % size === 0) return width / size;
  }
  return undefined;
}
