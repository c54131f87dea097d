/**
 * @file The gotcha lab: mistakes everybody makes, each as the wrong formula beside the right one, on the reader's own text and
 * model. A mistake changes the map of every head, and through a listener the whole model.
 */
import { withListener } from "../../attention/index.js";
import type { AttentionCall } from "../../kernels/kernel.js";
import type { Model } from "../../models/index.js";
import { OptionError } from "../../tensor/index.js";
import { QkRecord, visibleWeights } from "../../trace/index.js";
import { outputChange } from "./gotcha/output.js";
import { type Gotcha, gotchas } from "./gotcha/list.js";
import { mistaken } from "./gotcha/mistaken.js";
import { wanted } from "./gotcha/readings.js";
import { NotHere, notHere } from "./gotcha/refused.js";
import { compared, type GotchaNotHere, type GotchaShown, movedBy, nextWord, wholeShown } from "./gotcha/shown.js";
import type { LabCall, LabContext } from "./labs.js";
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
  /** The rule of `qkv check` that finds it: its words are wanted too. */
  rule?: string;
}

const longest = 384;

/** The lab call "gotcha": both maps and what becomes of the output, or why the mistake cannot be made on this run. */
export const gotcha: LabCall = async (asked, options, context): Promise<GotchaShown | GotchaNotHere> => {
  const { id } = asked as GotchaAsked;
  const chosen = gotchas.find((g) => g.id === id);
  if (!chosen)
    throw new OptionError({
      where: "gotcha lab",
      argument: "id",
      got: `is "${id}"`,
      expected: gotchas.map((g) => g.id).join(", "),
    });
  try {
    const shown = await made(chosen, asked as GotchaAsked, options, context);
    return { ...shown, ...(await ruleWords((asked as GotchaAsked).rule)) };
  } catch (error) {
    if (error instanceof NotHere) return { not: error.message };
    throw error;
  }
};

async function ruleWords(id: string | undefined): Promise<Pick<GotchaShown, "rule">> {
  const found = id === undefined ? undefined : (await import("../../check/rules/index.js")).ruleOf(id);
  if (!found) return {};
  const { says, why, fix, reference } = found;
  return { rule: { id: found.id, says, why, fix, reference } };
}

async function made(
  chosen: Gotcha,
  { run, kind, layer, head }: GotchaAsked,
  { signal }: Parameters<LabCall>[1],
  context: LabContext,
): Promise<GotchaShown> {
  const { result, source, text } = context.run(run);
  const { name } = source.card;
  const record = result.trace.record(layer, kind);
  if (!(record instanceof QkRecord))
    throw notHere(
      `${name} holds finished maps only. A mistake is made on the scores q·k, which are not in it. Open a model, or a trace with q and k.`,
    );
  if (record.queries > longest)
    throw notHere(
      `This text has ${record.queries} tokens. The wrong formulas are plain loops, for at most ${longest}: use a shorter text.`,
    );
  const right = visibleWeights(record, { head });
  const { keys, queries } = record;
  const ahead = (n: number): boolean => (n % keys) - Math.floor(n / keys) > keys - queries;
  const here = chosen.here?.({
    call: record.call,
    kind,
    hides: right.some(Number.isNaN),
    causal: kind !== "cross" && queries > 1 && right.every((w, n) => !ahead(n) || Number.isNaN(w)),
    model: name,
    graph: source.card.graph === true,
  });
  if (here && "not" in here) throw notHere(here.not);
  const note = here?.note;
  const model = source.model as Model | undefined;
  await context.breathe();
  signal?.throwIfAborted();
  if (chosen.whole) {
    if (!model)
      throw notHere(
        `This mistake is made by a whole model, and ${name} is ${source.card.graph ? "a graph: it can be run, but not changed" : "a recording of one reading"}. Open the model’s own folder or GGUF file.`,
      );
    if (kind === "decoder" && chosen.id === "padding-leak")
      throw notHere(
        "Here the source is padded, and the decoder's own attention holds no token of it. Look at the encoder, or at the cross-attention.",
      );
    return wholeShown(chosen.whole(model, text, result.trace), { layer, kind, head, source });
  }
  const call: AttentionCall = { ...record.call, v: record.call.k, valueDim: record.call.headDim };
  if (chosen.small) {
    const s = chosen.small(call, head);
    return compared(s.right, s.wrong, s.size, s.size);
  }
  const wrong = chosen.weights
    ? Float32Array.from(chosen.weights(call, 0, head))
    : right.map((w) => (Number.isNaN(w) ? 0 : w));
  const shown: GotchaShown = {
    ...compared(right, wrong, queries, keys),
    output: outputChange(record, chosen),
    ...(note !== undefined && { note }),
  };
  if (!model) return shown;
  await context.breathe();
  signal?.throwIfAborted();
  const broken = withListener(mistaken(chosen), () => readText(model, text, wanted)).trace;
  const moved = movedBy(result.trace, broken);
  if (!writesOn(result.trace)) return { ...shown, moved };
  const [a, b] = [logitsAt(result.trace, -1)!, logitsAt(broken, -1)!];
  return { ...shown, moved, next: nextWord(source, [a, b], [meanLoss(result.trace), meanLoss(broken)]) };
}

export type { GotchaNotHere, GotchaShown };
