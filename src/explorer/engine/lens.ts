/**
 * @file The logit lens: what the model would say if it stopped after a layer. Each hidden state goes through the last norm and
 * the word table. nostalgebraist 2020, "interpreting GPT: the logit lens".
 */
import { ops } from "../../kernels/index.js";
import { capped } from "../../models/head.js";
import type { Model } from "../../models/index.js";
import type { Parameter } from "../../nn/parameter.js";
import { tensor, type Tensor } from "../../tensor/index.js";
import type { Trace } from "../../trace/index.js";
import { topOf } from "./predict.js";
import type { Guess } from "./protocol.js";

const known = new WeakMap<Model, { table: Tensor; norm: Tensor; bias: Tensor | undefined }>();

/** What reads a model's states out, as plain numbers. Read once. */
function readOutOf(model: Model, { norm, head }: NonNullable<Model["readOut"]>, word: Parameter) {
  let found = known.get(model);
  if (!found) {
    const own = (x: Tensor): Tensor => tensor(x.data.slice(), x.shape); // out of the kernel's memory, which a scope may take back
    found = ops().scope(() => ({
      table: own(word.copy()),
      norm: own(norm.scale),
      bias: "bias" in norm && norm.bias ? own(norm.bias.tensor) : undefined,
    }));
    known.set(model, found);
  }
  return { ...found, epsilon: norm.epsilon, softcap: head.softcap };
}

/** The last norm and the word table of a model, as the lens needs them; undefined where they are not found. */
export function lensParts(model: Model) {
  const { readOut } = model;
  if (!readOut?.head.weight) return undefined;
  const { table, norm, bias, epsilon, softcap } = readOutOf(model, readOut, readOut.head.weight);
  const width = norm.size;
  /** @param x [..., d]  @param final it is after the last norm already */
  const read = (x: Tensor, final: boolean): Tensor =>
    ops().scope(() => {
      const y = final ? x : bias ? ops().layerNorm(x, norm, bias, epsilon) : ops().rmsNorm(x, norm, epsilon);
      const scores = ops().linear(y, table);
      return softcap === undefined ? scores : capped(scores, softcap);
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
