/** torch.nn.TransformerEncoderLayer, TransformerDecoderLayer and a stack: outputs and slopes. */
import { DecoderBlock, Encoder, EncoderBlock } from "../../src/nn/index.js";
import { layerGoldens, torchMask, torchPadding } from "./layer-cases.js";

layerGoldens("layers", (c, read) => {
  const { about } = c;
  const sizes = {
    dModel: Number(about.d_model),
    heads: Number(about.nhead),
    feedForward: Number(about.dim_feedforward),
    activation: about.activation ?? "relu",
    normFirst: about.norm_first === "True",
    bias: about.bias !== "False",
  };
  const common = { dOut: read("dout"), outputs: { "": "out" } };
  if (about.kind.includes("Decoder")) {
    return {
      ...common,
      layer: new DecoderBlock(sizes),
      inputs: ["tgt", "memory"],
      options: {
        ...torchMask(c, "tgt_mask"),
        ...torchPadding(c, "tgt_key_padding_mask"),
        memoryKeyPadding: torchPadding(c, "memory_key_padding_mask").keyPadding,
      },
    };
  }
  const options = { ...torchMask(c, "src_mask"), ...torchMask(c, "mask"), ...torchPadding(c, "src_key_padding_mask") };
  const stacked = about.num_layers > 1 || about.final_norm;
  return {
    ...common,
    layer: stacked
      ? new Encoder({ ...sizes, layers: about.num_layers, finalNorm: about.final_norm })
      : new EncoderBlock(sizes),
    inputs: ["src"],
    options,
  };
});
