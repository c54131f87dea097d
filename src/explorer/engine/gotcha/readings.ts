/** @file Mistakes outside attention: a model that reads the text right, and wrong. */
import type { Model } from "../../../models/index.js";
import type { Tensor } from "../../../tensor/index.js";
import type { Trace } from "../../../trace/index.js";
import { readText } from "../reading.js";
import { type Watch, watching } from "../watch.js";
import { notHere } from "./refused.js";

/** Two readings of one text. */
export interface Whole {
  right: Trace;
  wrong: Trace;
  /** Tokens that pad the text: in front, behind. */
  pads?: [number, number];
}

export const wanted = { trace: { logits: true, hiddenStates: true } } as const;

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
  if (turned === 0)
    throw notHere(
      `${model.name} has no rotary positions, so there are no pairs to lay out wrongly. Open a Llama, a Mistral, a Qwen or the bundled model.`,
    );
  return trace;
}

/** Parts of a block that do not add what came in. */
export function withoutResidual(model: Model, text: string): Trace {
  const watch: Watch = { linear: (go, x, w, { residual: _, ...o } = {}) => go(x, w, o) };
  return watching(watch, () => readText(model, text, wanted)).trace;
}

/**
 * The text with four tokens of padding, read right and wrong: in front of a decoder's text, behind an encoder's and behind the
 * source of an encoder–decoder.
 */
export function padded(model: Model, { info }: Trace, how: "no mask" | "positions count pads"): Whole {
  const two = model.family === "encoder-decoder";
  if (two && how === "positions count pads")
    throw notHere(
      `${model.name} counts no positions: it adds a number for each distance, and pads in front move no distance. Open a GPT-2 or a BERT.`,
    );
  const { ids } = (two ? info.sources : info.sequences)![0]!;
  const target = two ? { decoderInputIds: [info.sequences[0]!.ids] } : {};
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
  const places = (positionIds: number[]) => (two ? {} : { positionIds: [positionIds] });
  const right = { inputIds: [all], attentionMask: [mask], ...target, ...places(counted) };
  const wrong =
    how === "no mask"
      ? { inputIds: [all], ...target, ...places(counted) }
      : { ...right, ...places(all.map((_, i) => i)) };
  return {
    right: model.forward(right, wanted).trace,
    wrong: model.forward(wrong, wanted).trace,
    pads: front ? [pads, 0] : [0, pads],
  };
}

/** Pre-norm weights run as post-norm: norm(x + f(x)) for x + f(norm(x)). */
export function normedAfter(model: Model, text: string, right: Trace): Whole {
  const last = lastNorms(model, text);
  let norms = 0;
  let owed: ((x: Tensor) => Tensor) | undefined;
  const later = (apply: (x: Tensor) => Tensor, x: Tensor): Tensor => {
    if (last.has(norms++)) return apply(x);
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

/**
 * Which norms of a run, in their order, close a stack; every other one stands before a part of a block, whose sum takes up what
 * went into the norm. @throws {NotHere} where sums take up what came out of a norm (post-norm), or something else
 */
function lastNorms(model: Model, text: string): ReadonlySet<number> {
  const before: boolean[] = []; // for each norm: a sum took up what went into it
  let [given, made]: (Tensor | undefined)[] = [];
  let [post, other] = [0, 0];
  const norm = (x: Tensor, y: Tensor): Tensor => {
    before.push(false);
    [given, made] = [x, y];
    return y;
  };
  watching(
    {
      layerNorm: (go, x, weight, bias, epsilon) => norm(x, go(x, weight, bias, epsilon)),
      rmsNorm: (go, x, weight, epsilon) => norm(x, go(x, weight, epsilon)),
      linear: (go, x, w, o) => {
        if (o?.residual) {
          if (o.residual === made) post++;
          else if (o.residual === given && !before.at(-1)) before[before.length - 1] = true;
          else other++;
        }
        return go(x, w, o);
      },
    },
    () => readText(model, text),
  );
  if (post > 0)
    throw notHere(
      `${model.name} norms after each sum, as it was trained (post-norm): there is no norm before a part to be put in the wrong place. Open a GPT-2, a Llama or a T5.`,
    );
  if (other > 0 || !before.some(Boolean))
    throw notHere(`The blocks of ${model.name} are not built as norm, part, sum. Open a GPT-2, a Llama or a T5.`);
  return new Set(before.flatMap((isBefore, n) => (isBefore ? [] : [n])));
}
