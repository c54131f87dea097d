/** @file How a text, or a run, is given to a model: with its tokenizer or as ids, an encoder–decoder's two sides included. */
import type { ForwardOptions, Model, ModelInputs } from "../../models/index.js";
import { readInputs } from "../../models/inputs.js";
import type { Trace, TraceInfo } from "../../trace/index.js";
import { idsOf } from "./ids.js";

/** What stands between a source and a target in the text box. */
export const targetMark = "=>";

/** Said where there is only a source. */
export const asksForTarget = `Write “source ${targetMark} target” to see the decoder read a target.`;

/** The two sides of a text; without the mark there is no target. */
export function sidesOf(text: string): [source: string, target: string | undefined] {
  const at = text.indexOf(targetMark);
  return at < 0 ? [text, undefined] : [text.slice(0, at).trim(), text.slice(at + targetMark.length).trim()];
}

/** A text for a model without a tokenizer: ids, and for an encoder–decoder its start token before those of the target. */
export function idInputs(model: Model, text: string): { inputIds: number[][]; decoderInputIds?: number[][] } {
  const [source, target] = sidesOf(text);
  const ids = idsOf(source, model.name);
  if (model.family !== "encoder-decoder") return { inputIds: [ids] };
  const start = (model.config["decoder_start_token_id"] as number | undefined) ?? model.padId;
  return { inputIds: [ids], decoderInputIds: [[start, ...(target ? idsOf(target, model.name) : [])]] };
}

/** A text as its page reads it. */
export function readText(model: Model, text: string, options: ForwardOptions = {}): { trace: Trace } {
  if (!model.hasTokenizer) return model.forward(idInputs(model, text), options);
  const [source, target] = model.family === "encoder-decoder" ? sidesOf(text) : [text, undefined];
  return model.read(source, { ...options, ...(target !== undefined && { target }) });
}

/** The tokens of a run once more: exactly those, whatever was cut off its text. */
export function inputsOf({ sequences, sources }: TraceInfo): ModelInputs {
  const own = [sequences[0]!.ids];
  return sources ? { inputIds: [sources[0]!.ids], decoderInputIds: own } : { inputIds: own };
}

/** The same as a checked batch. */
export function batchOf(model: Model, info: TraceInfo): ReturnType<typeof readInputs> {
  return readInputs(inputsOf(info), model.limits);
}
