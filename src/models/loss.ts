/** @file How badly a model foretells: cross-entropy over the tokens (or texts) that have a label. */
import { ops } from "../kernels/current.js";
import { crossEntropy } from "../nn/functions.js";
import { OptionError, ShapeError, type Tensor } from "../tensor/index.js";
import { type IdTable, type ModelInputs, readInputs } from "./inputs.js";
import type { Model } from "./model.js";

/** A row or label that does not count; torch's number. */
export const ignored = -100;

/** The loss as something that can be computed again and again. */
export function lossOf(
  model: Model,
  inputs: ModelInputs & { labels: IdTable },
  { labelSmoothing = 0 }: { labelSmoothing?: number },
): () => Tensor {
  const labels = flatLabels(inputs.labels);
  const whole =
    model.family === "encoder-decoder" && !inputs.decoderInputIds ? withDecoder(model, inputs, labels) : inputs;
  const batch = readInputs(whole, model.limits, "loss");
  const { batch: B, length: L } = batch.decoder ?? batch.tokens;
  return () => {
    const { logits } = model.compute(batch, {});
    if (!logits) {
      throw new OptionError({
        where: "loss",
        argument: "model",
        got: `is a ${model.architecture} without an output layer`,
        expected: "a model with logits: a language model or a classifier",
      });
    }
    const rows = logits.size / logits.shape.at(-1)!;
    const flat = rows === B * L ? padded(labels, B, L) : labels.flat();
    if (flat.length !== rows) {
      const expected = `${rows}, one for each row of logits`;
      throw new ShapeError({ where: "loss", argument: "labels", got: `has ${flat.length} entries`, expected });
    }
    const targets = model.family === "decoder" ? shifted(flat, L) : flat;
    const table = ops().reshape(logits, [rows, logits.shape.at(-1)!]);
    return crossEntropy(table, targets, { ignoreIndex: ignored, labelSmoothing });
  };
}

/** T5's decoder reads the labels moved one to the right, behind its start token. */
function withDecoder(model: Model, inputs: ModelInputs, labels: number[][]): ModelInputs {
  const start = (model.config["decoder_start_token_id"] as number | undefined) ?? model.padId;
  const read = (row: number[]): number[] => [
    start,
    ...row.slice(0, -1).map((id) => (id === ignored ? model.padId : id)),
  ];
  return { ...inputs, decoderInputIds: labels.map(read) };
}

/** Token i foretells label i + 1; the last one of a row nothing. */
function shifted(labels: readonly number[], L: number): number[] {
  return labels.map((_, i) => ((i + 1) % L === 0 ? ignored : labels[i + 1]!));
}

function padded(labels: readonly number[][], B: number, L: number): number[] {
  if (labels.length === 1 && labels[0]!.length === B * L) return labels[0]!;
  return labels.flatMap((row) => [...row, ...Array.from({ length: Math.max(0, L - row.length) }, () => ignored)]);
}

function flatLabels(labels: IdTable): number[][] {
  const shaped = labels as { data?: ArrayLike<number>; shape?: readonly number[]; dims?: readonly number[] };
  const shape = shaped.shape ?? shaped.dims;
  if (shape && shaped.data) {
    const width = shape.at(-1)!;
    const data = Array.from(shaped.data, Number);
    return Array.from({ length: data.length / width }, (_, b) => data.slice(b * width, (b + 1) * width));
  }
  const list = labels as readonly (number | readonly number[])[];
  return typeof list[0] === "number" ? [[...(list as number[])]] : (list as readonly number[][]).map((r) => [...r]);
}
