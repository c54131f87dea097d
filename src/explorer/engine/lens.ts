/**
 * @file The logit lens: what the model would say if it stopped after a layer. Each hidden state goes through the last norm and
 * the word table. nostalgebraist 2020, "interpreting GPT: the logit lens". Of an encoder–decoder the decoder has one; a
 * masked-language model's states go through its whole head.
 */
import { ops } from "../../kernels/index.js";
import type { Model } from "../../models/index.js";
import type { Parameter } from "../../nn/parameter.js";
import { tensor, type Tensor } from "../../tensor/index.js";
import type { Trace } from "../../trace/index.js";
import { topOf } from "./predict.js";
import type { Guess } from "./protocol.js";
import { wordTable } from "./weights.js";

/** How a model reads words off its states; undefined where it says none. */
export function lensParts(model: Model) {
  /** @param x [..., d]  @param final it is after the last norm already */
  const read = (x: Tensor, final: boolean): Tensor | undefined =>
    model.scoped(() => {
      const y = model.words(x, final);
      return y && tensor(y.data.slice(), y.shape);
    });
  const width = wordTable(model)?.shape.at(-1);
  if (width === undefined || !read(tensor(new Float32Array(width), [1, 1, width]), true)) return undefined;
  return {
    read: (x: Tensor, final: boolean): Tensor => read(x, final)!,
    /** Logits of one state [d]. */
    logits: (x: Float32Array, final: boolean): Float32Array => read(tensor(x, [1, 1, width]), final)!.data,
    direct: direct(model),
  };
}

/**
 * For models whose head is one norm and one matrix: what a part of the stream before that norm adds to a word's logit.
 * Undefined where something bends in between, as in BERT's head or under a soft cap.
 */
function direct(model: Model) {
  const { readOut } = model;
  if (!readOut?.head.weight || readOut.head.softcap !== undefined) return undefined;
  const { table, norm, bias } = plainParts(model, readOut, readOut.head.weight);
  const { epsilon } = readOut.norm;
  const factor = readOut.scale ?? 1;
  const width = norm.size;
  return {
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
        return factor * sum;
      };
    },
    /** What the norm's bias adds to a word's logit whatever was read. */
    offset(token: number): number {
      let sum = 0;
      if (bias) for (let d = 0; d < width; d++) sum += bias.data[d]! * table.data[token * width + d]!;
      return factor * sum;
    },
  };
}

const known = new WeakMap<Model, { table: Tensor; norm: Tensor; bias: Tensor | undefined }>();

/** What reads a model's states out, as plain numbers. Read once. */
function plainParts(model: Model, { norm }: NonNullable<Model["readOut"]>, word: Parameter) {
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
  return found;
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
