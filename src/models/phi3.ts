/**
 * @file Phi-3, Phi-3.5 and Phi-4: Llama with its projections side by side in one matrix.
 *
 *     ids ─▶ embed ─▶ ┌ x + o_proj(attention(qkv_proj(norm(x)))) ┐ ┌ x + down(silu(gate) ⊙ up), [gate up] = ┐ × L ─▶ norm ─▶ lm_head
 *                     └ q, k turned by position, some in part    ┘ └        gate_up_proj(norm(x))           ┘
 *
 * Abdin et al. 2024 (arXiv:2404.14219); longrope, whose lists of short and of long texts turn all keys: Ding et al. 2024
 * (arXiv:2402.13753); Phi-4-mini (arXiv:2503.01743) turns three quarters of a head.
 */
import { ops } from "../kernels/current.js";
import type { Activation } from "../kernels/kernel.js";
import { Linear } from "../nn/linear.js";
import { Module, type Part } from "../nn/module.js";
import { RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { PreNormLayer, type Step, TokenDecoder } from "./decoder.js";
import type { ModelParts } from "./model.js";
import { ropeSettings, turningPart } from "./rope.js";
import { headsOf, rotaryAttend, type RotaryHeads } from "./rotary-attention.js";

export class Phi3 extends TokenDecoder {
  constructor(config: Config, parts: ModelParts) {
    const heads = headsOf(config);
    const shape: RotaryHeads = {
      ...heads,
      rope: ropeSettings(config, turningPart(config, heads.headDim)),
      window: config.maybe("sliding_window"),
    };
    super(config, parts, {
      d: shape.d,
      layer: (index) =>
        new PreNormLayer(shape, {
          before: normOf(config, shape),
          attention: new Attention(shape, index),
          after: normOf(config, shape),
          mlp: new Mlp(shape.d, config.size("intermediate_size"), config.activation("hidden_act", "silu")),
        }),
      norm: normOf(config, shape),
    });
  }
}

class Attention extends Module {
  readonly #shape: RotaryHeads;
  readonly #layer: number;
  readonly #qkv: Linear;
  readonly #output: Linear;

  constructor(shape: RotaryHeads, layer: number) {
    super();
    const { d, heads, keyHeads, headDim } = shape;
    this.#shape = shape;
    this.#layer = layer;
    this.#qkv = new Linear({ inputs: d, outputs: (heads + 2 * keyHeads) * headDim, bias: false });
    this.#output = new Linear({ inputs: heads * headDim, outputs: d, bias: false });
  }

  parts(): Record<string, Part> {
    return { qkv_proj: this.#qkv, o_proj: this.#output };
  }

  forward(x: Tensor, step: Step, residual: Tensor): Tensor {
    const { heads, keyHeads, headDim } = this.#shape;
    const [q, k, v] = parted(this.#qkv.forward(x), [heads * headDim, keyHeads * headDim, keyHeads * headDim]);
    const y = rotaryAttend(this.#layer, { q: q!, k: k!, v: v! }, this.#shape, step); // [B, L, H·D]
    return this.#output.forward(y, { residual });
  }
}

class Mlp extends Module {
  readonly #gateUp: Linear;
  readonly #down: Linear;
  readonly #activation: Activation;

  constructor(d: number, inner: number, activation: Activation) {
    super();
    this.#gateUp = new Linear({ inputs: d, outputs: 2 * inner, bias: false });
    this.#down = new Linear({ inputs: inner, outputs: d, bias: false });
    this.#activation = activation;
  }

  parts(): Record<string, Part> {
    return { gate_up_proj: this.#gateUp, down_proj: this.#down };
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    const { inputs } = this.#down;
    const [gate, up] = parted(this.#gateUp.forward(x), [inputs, inputs]);
    return this.#down.forward(ops().binary("multiply", ops().unary(this.#activation, gate!), up!), { residual });
  }
}

/** x [B, L, Σ widths] cut into parts of these widths. */
function parted(x: Tensor, widths: readonly number[]): Tensor[] {
  let from = 0;
  return widths.map((width) => ops().slice(x, 2, from, (from += width)));
}

function normOf(config: Config, { d }: RotaryHeads): RMSNorm {
  return new RMSNorm({ width: d, epsilon: config.number("rms_norm_eps", 1e-5) });
}
