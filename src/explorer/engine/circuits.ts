/**
 * @file A head's two circuits read off its weights alone, word by word.
 *
 *     OV   e_s W_V W_O W_U   what seeing word s makes the head say: copying, suppressing, …
 *     QK   (e_q W_Q)·(e_k W_K)·scale   which words k a word q looks for, wherever they stand
 *
 * e is the word's embedding after the layer's first norm; positions and earlier layers are left out, so this is exact for
 * layer 0 of a model without position vectors and the usual reading for later ones. Elhage et al. 2021. In cross-attention
 * the word looked at has gone through the encoder's last norm in place of the layer's.
 */
import { ops } from "../../kernels/index.js";
import type { Model } from "../../models/index.js";
import { type Tensor, tensor, UnavailableError } from "../../tensor/index.js";
import { QkRecord } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import { lensParts } from "./lens.js";
import type { Guess, Kind } from "./protocol.js";
import { headProjections, layerNormOf, memoryNormOf, outputProjection, wordTable } from "./weights.js";

/** Words of the text that are asked, at most. */
const most = 48;

export interface CircuitShown {
  rows: {
    id: number;
    text: string /** Score in place of probability. */;
    top: Guess[];
    bottom: Guess[];
    own: number;
    ownRank: number;
  }[];
  /** Share of the words that stand first in their own row: 1 = copies (OV) or looks for itself (QK). */
  itself: number;
  vocabulary: number;
}

/** The lab call "circuit". */
export const circuit: LabCall = async (asked, _options, context) => {
  const { run, kind, layer, head, which } = asked as {
    run: number;
    kind: Kind;
    layer: number;
    head: number;
    which: "ov" | "qk";
  };
  const { result, source } = context.run(run);
  const model = source.model as Model | undefined;
  if (!model) throw missing(source.card.name, "has no weights here: open the model's own folder or GGUF file");
  const record = result.trace.record(layer, kind);
  const scale = record instanceof QkRecord ? record.call.scale : 1;
  const { rows, columns } = result.trace.sequences(kind);
  const ids = [...new Set((which === "qk" ? rows : columns)[0]!.ids)].slice(0, most);
  return circuitOf(model, { kind, layer, head, which, ids, scale }, (id) => source.word?.(id) ?? String(id));
};

interface Circuit {
  kind?: Kind;
  layer: number;
  head: number;
  which: "ov" | "qk";
  ids: number[];
  scale: number;
}

export function circuitOf(model: Model, circuit: Circuit, word: (id: number) => string): CircuitShown {
  const { kind = "self", layer, head, which, ids } = circuit;
  const table = wordTable(model);
  const projections = headProjections(model, layer, head, kind);
  if (!table || !projections) throw missing("this architecture's weights", "were not found under their usual names");
  const scores =
    which === "qk"
      ? ops().scope(() => qkScores(model, table, projections, circuit))
      : ovScores(model, table, projections, circuit);
  const V = scores.shape[1]!;
  let itself = 0;
  const rows = ids.map((id, n) => {
    const row = scores.data.subarray(n * V, (n + 1) * V);
    const own = row[id]!;
    let ownRank = 1;
    for (const x of row) if (x > own) ownRank++;
    if (ownRank === 1) itself++;
    const order = [...row.keys()].sort((a, b) => row[b]! - row[a]!);
    const shown = (list: number[]): Guess[] => list.map((i) => ({ id: i, text: word(i), probability: row[i]! }));
    return {
      id,
      text: word(id),
      top: shown(order.slice(0, 6)),
      bottom: shown(order.slice(-3).reverse()),
      own,
      ownRank,
    };
  });
  return { rows, itself: rows.length > 0 ? itself / rows.length : 0, vocabulary: V };
}

type Projections = NonNullable<ReturnType<typeof headProjections>>;

/** Embeddings of some words, or all, as one side of the attention meets them, [n, d]. */
function embedded(
  model: Model,
  table: Tensor,
  { kind = "self", layer }: Circuit,
  side: "asks" | "seen",
  ids?: number[],
): Tensor {
  const d = table.shape[1]!;
  const chosen = ids ? tensor(Float32Array.from(ids.flatMap((id) => [...table.data.subarray(id * d, (id + 1) * d)])), [ids.length, d]) : table; // biome-ignore format: one choice
  return (kind === "cross" && side === "seen" ? memoryNormOf(model) : layerNormOf(model, layer, kind))(chosen);
}

function qkScores(model: Model, table: Tensor, p: Projections, c: Circuit): Tensor {
  const q = ops().linear(embedded(model, table, c, "asks", c.ids), p.q, p.qBias ? { bias: p.qBias } : undefined); // [n, D]
  const k = ops().linear(embedded(model, table, c, "seen"), p.k, p.kBias ? { bias: p.kBias } : undefined); // [V, D]
  const scores = ops().linear(q, k); // [n, V]
  return tensor(
    scores.data.map((x) => x * c.scale),
    scores.shape,
  );
}

function ovScores(model: Model, table: Tensor, p: Projections, c: Circuit): Tensor {
  const { kind = "self", layer, head, ids } = c;
  const projection = outputProjection(model, layer, head, kind); // [width, Dv]
  const parts = lensParts(model);
  if (!projection || !parts || kind === "encoder")
    throw missing(
      kind === "encoder" ? "an encoder" : "this model",
      "says no words: its last layer is read by no word table. Which words a word looks for (QK) can be shown",
    );
  const written = ops().scope(() => {
    const v = ops().linear(embedded(model, table, c, "seen", ids), p.v, p.vBias ? { bias: p.vBias } : undefined); // [n, Dv]
    const o = ops().linear(v, projection); // [n, d]
    return tensor(o.data.slice(), [1, ids.length, o.shape.at(-1)!]);
  });
  const scores = parts.read(written, false); // [1, n, V], through the last norm as the lens does
  return tensor(scores.data, scores.shape.slice(1));
}

const missing = (argument: string, got: string): UnavailableError =>
  new UnavailableError({ where: "circuits", argument, got });
