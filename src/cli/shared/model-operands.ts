/** @file q, k and v of one layer while a model reads a text: what `compare` measures on, beside random numbers. */
import type { Operands } from "../../attention/efficient/compare.js";
import { withListener } from "../../attention/index.js";
import type { AttentionCall, Heads } from "../../kernels/index.js";
import { loadModel } from "../../models/index.js";
import { OptionError, tensor } from "../../tensor/index.js";

export async function modelOperands(name: string, text: string, longest: number, asked: number | undefined) {
  const model = await loadModel(name);
  const ids = model.tokenizer.encode(text).ids.slice(0, longest);
  const calls: { layer: number; kind: string; call: AttentionCall; copy: Operands }[] = [];
  withListener(
    {
      before(site, call) {
        // Copied at once: the operands lie in kernel memory that ends with the pass.
        if (asked === undefined || asked === site.layer)
          calls.push({ layer: site.layer, kind: site.kind, call, copy: copied(call) });
        return call;
      },
    },
    () => model.forward({ inputIds: [ids] }),
  );
  const own = calls.filter((c) => c.kind !== "cross" && c.call.queries === c.call.keys);
  const chosen = own[asked === undefined ? Math.floor(own.length / 2) : 0];
  if (!chosen) {
    throw new OptionError({
      where: "qkv compare",
      argument: "--layer",
      got: `is ${asked}`,
      expected: "a layer with self-attention",
    });
  }
  const { call, copy } = chosen;
  const last = call.rule.end[0]!;
  return {
    layer: chosen.layer,
    tokens: ids.length,
    heads: call.heads,
    headDim: call.headDim,
    causal: call.queries > 1 && last < call.keys,
    operands: (length: number): Operands => ({
      q: cut(copy.q, length),
      k: cut(copy.k, length),
      v: cut(copy.v, length),
    }),
  };
}

function copied(call: AttentionCall): Operands {
  const { heads, keyHeads, queries, keys, headDim, valueDim } = call;
  return {
    q: contiguous(call.q, heads, queries, headDim, call.scale * Math.sqrt(headDim)), // another scale than 1/√D goes into q
    k: contiguous(call.k, keyHeads, keys, headDim),
    v: contiguous(call.v, keyHeads, keys, valueDim),
  };
}

/** The first batch item of an operand as [1, H, L, D]. */
function contiguous({ tensor: x, offset, strides }: Heads, heads: number, length: number, dim: number, factor = 1) {
  const [from, out] = [x.data, new Float32Array(heads * length * dim)];
  for (let h = 0, n = 0; h < heads; h++) {
    for (let i = 0; i < length; i++) {
      const row = offset + h * strides[1] + i * strides[2];
      for (let d = 0; d < dim; d++, n++) out[n] = factor * from[row + d]!;
    }
  }
  return tensor(out, [1, heads, length, dim]);
}

function cut(x: Operands["q"], length: number) {
  const [, heads, L, dim] = x.shape as [number, number, number, number];
  const out = new Float32Array(heads * length * dim);
  for (let h = 0; h < heads; h++) out.set(x.data.subarray(h * L * dim, (h * L + length) * dim), h * length * dim);
  return tensor(out, [1, heads, length, dim]);
}
