/** torch.nn.MultiheadAttention: self and cross, masks, extra keys; outputs, maps and slopes. */
import { join } from "node:path";
import { test } from "vitest";
import { withOperations } from "../../src/kernels/current.js";
import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import { MultiHeadAttention } from "../../src/nn/index.js";
import { layerGoldens, torchMask, torchPadding } from "./layer-cases.js";
import { expectWithin, readGolden } from "./numbers.js";
import { type GoldenCase, goldenSets } from "./where.js";

const layerOf = ({ about }: GoldenCase): MultiHeadAttention =>
  new MultiHeadAttention({
    dModel: about.embed_dim,
    heads: about.num_heads,
    keyDim: about.kdim ?? undefined,
    valueDim: about.vdim ?? undefined,
    bias: about.bias ?? true,
    biasKV: about.add_bias_kv ?? false,
    zeroKV: about.add_zero_attn ?? false,
  });

const rulesOf = (c: GoldenCase): object => {
  const [batch, length] = c.about.tensors.query.shape;
  return {
    ...torchMask(c, "attn_mask", c.about.id === "mha/float-mask" ? [batch, c.about.num_heads, length, length] : undefined),
    ...torchPadding(c, "key_padding_mask"),
  };
};

const inputsOf = (c: GoldenCase): string[] =>
  "key" in c.about.tensors ? ["query", "key", "value"] : ["query", "query", "query"];

layerGoldens("mha", (c, read) => ({
  layer: layerOf(c),
  inputs: inputsOf(c),
  options: rulesOf(c),
  dOut: read("dout"),
  outputs: { "": "out" },
}));

test.each(goldenSets("mha").map((c) => [c.id, c] as const))("%s: the map of every head is torch's", (_, c) =>
  withOperations(referenceKernel({ precision: "float64" }), () => {
    const golden = readGolden(join(c.folder, "golden.safetensors"));
    const layer = layerOf(c);
    layer.load(
      Object.fromEntries(golden.names.flatMap((n) => (n.startsWith("param.") ? [[n.slice(6), golden.exact(n)]] : []))),
    );
    const [query, key, value] = inputsOf(c).map((n) => golden.exact(n)) as [never, never, never];
    const { output, weights } = layer.forward(query, key, value, { ...rulesOf(c), returnWeights: true });
    expectWithin(output, golden.exact("out"), c.about.tensors.out.tol_abs, "out");
    expectWithin(weights, golden.exact("weights"), c.about.tensors.weights.tol_abs, "weights");
  }));
