/** @file Mistakes outside attention: a model that reads the text right, and wrong. */
import type { Model } from "../../../models/index.js";
import type { Tensor } from "../../../tensor/index.js";
import type { Trace } from "../../../trace/index.js";
import { readText } from "../reading.js";
import { type Watch, watching } from "../watch.js";
import { refused } from "./refused.js";

/** Two readings of one text. */
export interface Whole {
  right: Trace;
  wrong: Trace;
  /** Tokens that pad the text: in front, behind. */
  pads?: [number, number];
}

export const wanted = { trace: { logits: true } } as const;

/** Rotary positions in the other layout: halves for neighbours, neighbours for halves. */
export function otherRotation(model: Model, text: string): Trace {
  let turned = 0;
  const { trace } = watching(
    {
      rotary(go, x, cos, sin, positions, o) {
        turned++;
        return go(x, cos, sin, positions, { ...o, interleaved: !o.interleaved });
      },
    },
    () => readText(model, text, wanted),
  );
  if (turned === 0) throw refused("has no rotary positions", "open a Llama, Mistral or Qwen");
  return trace;
}

/** Parts of a block that do not add what came in. */
export function withoutResidual(model: Model, text: string): Trace {
  const watch: Watch = { linear: (go, x, w, { residual: _, ...o } = {}) => go(x, w, o) };
  return watching(watch, () => readText(model, text, wanted)).trace;
}

/** The text with four tokens of padding, in front of a decoder's and behind an encoder's, read right and wrong. */
export function padded(model: Model, { info }: Trace, how: "no mask" | "positions count pads"): Whole {
  if (model.family === "encoder-decoder") throw refused("has two stacks", "open a GPT, a Llama or a BERT");
  const { ids } = info.sequences[0]!;
  const pads = 4;
  const front = model.family === "decoder" || how === "positions count pads";
  const around = <T>(filling: T, own: readonly T[]): T[] => {
    const fill = Array.from({ length: pads }, () => filling);
    return front ? [...fill, ...own] : [...own, ...fill];
  };
  const all = around(model.padId, ids);
  const mask = around(
    0,
    ids.map(() => 1),
  );
  const counted = all.map((_, i) => Math.max(0, front ? i - pads : i)); // pads stand at 0
  const right = { inputIds: [all], attentionMask: [mask], positionIds: [counted] };
  const wrong =
    how === "no mask" ? { inputIds: [all], positionIds: [counted] } : { ...right, positionIds: [all.map((_, i) => i)] };
  return {
    right: model.forward(right, wanted).trace,
    wrong: model.forward(wrong, wanted).trace,
    pads: front ? [pads, 0] : [0, pads],
  };
}

/** Pre-norm weights run as post-norm: norm(x + f(x)) for x + f(norm(x)). */
export function normedAfter(model: Model, text: string, right: Trace): Whole {
  const count = { norms: 0, sums: 0 };
  const counting = <A extends unknown[], R>(go: (...x: A) => R, ...x: A): R => {
    count.norms++;
    return go(...x);
  };
  const sum: NonNullable<Watch["linear"]> = (go, x, w, o) => {
    if (o?.residual) count.sums++;
    return go(x, w, o);
  };
  watching({ layerNorm: counting, rmsNorm: counting, linear: sum }, () => readText(model, text));
  if (count.norms !== count.sums + 1)
    throw refused("does not norm before each part of a block", "open a GPT-2 or a Llama");
  let norms = 0;
  let owed: ((x: Tensor) => Tensor) | undefined;
  const later = (apply: (x: Tensor) => Tensor, x: Tensor): Tensor => {
    if (++norms === count.norms) return apply(x); // the last one stands before the words
    owed = apply;
    return x;
  };
  const wrong = watching(
    {
      layerNorm: (go, x, weight, bias, epsilon) => later((y) => go(y, weight, bias, epsilon), x),
      rmsNorm: (go, x, weight, epsilon) => later((y) => go(y, weight, epsilon), x),
      linear: (go, x, w, o) => {
        const y = go(x, w, o);
        return o?.residual && owed ? owed(y) : y;
      },
    },
    () => readText(model, text, wanted).trace,
  );
  return { right, wrong };
}
