/**
 * @file The logit lens: what the model would say if it stopped after a layer. Each hidden state goes through the last norm and
 * the word table. nostalgebraist 2020, "interpreting GPT: the logit lens".
 */
import { ops } from "../../kernels/index.js";
import type { Model } from "../../models/index.js";
import { tensor, type Tensor } from "../../tensor/index.js";
import type { Trace } from "../../trace/index.js";
import { topOf } from "./predict.js";
import type { Guess } from "./protocol.js";
import { normEpsilon, weightNamed } from "./weights.js";

/** The last norm and the word table of a model, as the lens needs them; undefined where they are not found. */
export function lensParts(model: Model) {
  const table = weightNamed(
    model,
    "lm_head.weight",
    "model.embed_tokens.weight",
    "transformer.wte.weight",
    "embed_tokens.weight",
    "wte.weight",
  );
  const norm = weightNamed(model, "model.norm.weight", "transformer.ln_f.weight", "norm.weight", "ln_f.weight");
  const bias = weightNamed(model, "model.norm.bias", "transformer.ln_f.bias", "norm.bias", "ln_f.bias");
  if (!table || !norm) return undefined;
  const epsilon = normEpsilon(model);
  const width = norm.size;
  /** @param x [..., d]  @param final it is after the last norm already */
  const read = (x: Tensor, final: boolean): Tensor =>
    ops().scope(() => {
      const y = final ? x : bias ? ops().layerNorm(x, norm, bias, epsilon) : ops().rmsNorm(x, norm, epsilon);
      return ops().linear(y, table);
    });
  return {
    read,
    /** Logits of one state [d]. */
    logits: (x: Float32Array, final: boolean): Float32Array => read(tensor(x, [1, width]), final).data.slice(),
    /** For the stream before the last norm: what a part of it adds to the logit of a word. */
    reader(stream: ArrayLike<number>, token: number): (part: ArrayLike<number>) => number {
      let [mean, square] = [0, 0];
      for (let d = 0; d < width; d++) mean += bias ? stream[d]! / width : 0;
      for (let d = 0; d < width; d++) square += (stream[d]! - mean) ** 2 / width;
      const sigma = Math.sqrt(square + epsilon);
      return (part) => {
        let own = 0;
        if (bias) for (let d = 0; d < width; d++) own += part[d]! / width;
        let sum = 0;
        for (let d = 0; d < width; d++)
          sum += ((part[d]! - own) / sigma) * norm.data[d]! * table.data[token * width + d]!;
        return sum;
      };
    },
    /** What the norm's bias adds to a word's logit whatever was read. */
    offset(token: number): number {
      let sum = 0;
      if (bias) for (let d = 0; d < width; d++) sum += bias.data[d]! * table.data[token * width + d]!;
      return sum;
    },
  };
}

export function lensRows(
  model: Model,
  trace: Trace,
  word: (id: number) => string,
  top: number,
): { layer: number; rows: Guess[][] }[] {
  const parts = lensParts(model);
  if (!parts || trace.hiddenStates.length === 0) return [];
  const last = trace.hiddenStates.length - 1;
  return trace.hiddenStates.map((state, layer) => {
    const [, L] = state.shape as [number, number, number];
    const logits = parts.read(state, layer === last);
    const V = logits.shape.at(-1)!;
    const rows = Array.from({ length: L }, (_, i) => topOf(logits.data.subarray(i * V, (i + 1) * V), { word }, top));
    return { layer, rows };
  });
}
