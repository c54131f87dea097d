/**
 * @file The gotcha lab: mistakes everybody makes, each as the wrong formula beside the right one, on the reader's own text and
 * model. A mistake changes the map of every head, and through a listener the whole model.
 */
import { withListener } from "../../attention/index.js";
import type { Model } from "../../models/index.js";
import { OptionError } from "../../tensor/index.js";
import { QkRecord, visibleWeights } from "../../trace/index.js";
import { gotchas } from "./gotcha/list.js";
import { mistaken } from "./gotcha/mistaken.js";
import { wanted } from "./gotcha/readings.js";
import { refused } from "./gotcha/refused.js";
import { compared, type GotchaShown, nextWord, wholeShown } from "./gotcha/shown.js";
import type { LabCall } from "./labs.js";
import { logitsAt, meanLoss, writesOn } from "./predict.js";
import type { Kind } from "./protocol.js";
import { readText } from "./reading.js";

/** What the page asks. */
export interface GotchaAsked {
  run: number;
  id: string;
  kind: Kind;
  layer: number;
  head: number;
}

const longest = 384;

/** The lab call "gotcha". */
export const gotcha: LabCall = async (asked, options, context) => {
  const { run, id, kind, layer, head } = asked as GotchaAsked;
  const chosen = gotchas.find((g) => g.id === id);
  if (!chosen)
    throw new OptionError({
      where: "gotcha lab",
      argument: "id",
      got: `is "${id}"`,
      expected: gotchas.map((g) => g.id).join(", "),
    });
  const { result, source, text } = context.run(run);
  const record = result.trace.record(layer, kind);
  if (!(record instanceof QkRecord))
    throw refused("holds finished maps only, without q and k", "open a model of ours or a trace with q and k");
  if (record.queries > longest)
    throw refused(
      `has ${record.queries} tokens`,
      `use a text of at most ${longest}: the wrong formulas are plain loops`,
    );
  const model = source.model as Model | undefined;
  if (chosen.whole) {
    if (!model) throw refused("was recorded, and this mistake is made by a model", "open a model");
    return wholeShown(chosen.whole(model, text, result.trace), { layer, kind, head, source });
  }
  const right = visibleWeights(record, { head });
  const call = { ...record.call, v: record.call.k, valueDim: record.call.headDim };
  if (chosen.small) {
    const s = chosen.small(call, head);
    return compared(s.right, s.wrong, s.size, s.size);
  }
  const wrong = chosen.weights
    ? Float32Array.from(chosen.weights(call, 0, head))
    : right.map((w) => (Number.isNaN(w) ? 0 : w));
  await context.breathe();
  options.signal?.throwIfAborted();
  const shown = compared(right, wrong, record.queries, record.keys);
  if (!model || !writesOn(result.trace)) return shown;
  const broken = withListener(mistaken(chosen), () => readText(model, text, wanted)).trace;
  const [a, b] = [logitsAt(result.trace, -1)!, logitsAt(broken, -1)!];
  return { ...shown, next: nextWord(source, [a, b], [meanLoss(result.trace), meanLoss(broken)]) } satisfies GotchaShown;
};

export type { GotchaShown };
