/**
 * @file One position of the logit lens followed through the layers: where a word stands, how far the guess is from the final
 * one; and what each head adds to the word's logit by itself.
 *
 * Direct attribution: the final logit is u·(w ⊙ x/σ) with x the residual stream before the last norm, a sum of what the
 * embedding, every head and every feed-forward wrote. A head's part is u·(w ⊙ o/σ), σ as it came out (for LayerNorm o loses
 * its mean first), o = W_O·Σ_j α_j v_j. Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
 */
import type { Model } from "../../models/index.js";
import type { Tensor } from "../../tensor/index.js";
import { UnavailableError } from "../../tensor/index.js";
import { QkRecord, type Trace } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import { lensParts } from "./lens.js";
import { divergence, logProbabilities } from "./predict.js";
import type { Kind } from "./protocol.js";
import { batchOf } from "./reading.js";
import { outputProjection } from "./weights.js";

export interface LensPathShown {
  /** A row for the embedding (layer 0) and one after each layer. */
  layers: { layer: number; probability: number; rank: number; kl: number }[];
  /** What each head adds to the word's logit, and what all the rest does. */
  heads: { kind: Kind; layer: number; head: number; adds: number }[];
  rest: number;
  logit: number;
}

/** The lab call "lensPath". */
export const lensPath: LabCall = async (asked, _options, context) => {
  const { run, position, token } = asked as { run: number; position: number; token: number };
  const { result, source } = context.run(run);
  return lensPathOf(source.model as Model | undefined, result.trace, position, token);
};

export function lensPathOf(model: Model | undefined, trace: Trace, position: number, token: number): LensPathShown {
  const parts = model && lensParts(model);
  if (!model || !parts || trace.hiddenStates.length === 0) {
    throw new UnavailableError({ where: "lens", argument: "the run", got: "has no states or no word table" });
  }
  const states = trace.hiddenStates.map((x) => rowOf(x, position));
  const logits = states.map((x, l) => parts.logits(x, l === states.length - 1));
  const last = logits.at(-1)!;
  const layers = logits.map((all, layer) => {
    const log = logProbabilities(all);
    let rank = 1;
    for (const x of log) if (x > log[token]!) rank++;
    return { layer, probability: Math.exp(log[token]!), rank, kl: divergence(last, all) };
  });
  return { layers, ...attribution(model, trace, position, token, parts), logit: last[token]! };
}

function attribution(
  model: Model,
  trace: Trace,
  position: number,
  token: number,
  parts: NonNullable<ReturnType<typeof lensParts>>,
): Pick<LensPathShown, "heads" | "rest"> {
  const { direct } = parts;
  if (!direct) return { heads: [], rest: Number.NaN };
  let stream: Float32Array | undefined;
  model.scoped(() => {
    model.compute(batchOf(model, trace.info), { logits: "none", stream: (x) => { stream = rowOf(x, position); } }); // biome-ignore format: one call
    return [];
  });
  // Where what attention gives is normed before it is added, the heads' shares do not add up.
  if (!stream || model.layerAt(0)?.normsAfter) return { heads: [], rest: Number.NaN };
  const reads = direct.reader(stream, token); // u ⊙ w / σ, so that a part's share is a dot product
  const heads: LensPathShown["heads"] = [];
  let all = 0;
  for (const record of trace.records) {
    const { kind, layer } = record.site;
    if (kind === "encoder" || !(record instanceof QkRecord) || !record.values) continue;
    for (let head = 0; head < record.heads; head++) {
      const projection = outputProjection(model, layer, head, kind);
      if (!projection) continue;
      const adds = reads(headOutput(record, head, position, projection));
      heads.push({ kind, layer, head, adds });
      all += adds;
    }
  }
  return { heads, rest: reads(stream) + direct.offset(token) - all };
}

/** W_O·Σ_j α_j v_j of one head at one position, [width]. */
function headOutput(record: QkRecord, head: number, position: number, projection: Tensor): Float64Array {
  const [, Hk, Lk, Dv] = record.values!.shape as [number, number, number, number];
  const at = Math.floor((head * Hk) / record.heads) * Lk;
  const weights = record.weights({ batch: 0, head, rows: [position, position + 1] }).data;
  const o = new Float64Array(Dv);
  for (let j = 0; j < Lk; j++)
    for (let d = 0; d < Dv; d++) o[d]! += weights[j]! * record.values!.data[(at + j) * Dv + d]!;
  const width = projection.shape[0]!;
  return Float64Array.from({ length: width }, (_, n) => o.reduce((s, x, d) => s + x * projection.data[n * Dv + d]!, 0));
}

/** The numbers of one position of [1, L, d]. */
const rowOf = (x: Tensor, position: number): Float32Array => {
  const d = x.shape.at(-1)!;
  return x.data.slice(position * d, (position + 1) * d);
};
