/**
 * @file Path trace: from the token a model is about to say back through the edges that carry most, each tested by cutting it.
 *
 * An edge (layer, head, query → key) carries α·‖v·W_O‖ into the query's stream. From the last position at the last layer
 * down, the strongest edges of each layer are cut one by one, and the one whose cut moves the word's logit most is
 * followed, its key becoming the next query: strength alone does not say whether what is carried matters for this word.
 * An edge is cut by taking its own α·v out of the head's output, the other weights staying as they are.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import type { Model } from "../../models/index.js";
import { OptionError, tensor, UnavailableError } from "../../tensor/index.js";
import { type AttentionRecord, QkRecord, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import { logitsAt, topOf } from "./predict.js";
import type { Guess, Kind } from "./protocol.js";
import type { Source } from "./sources.js";

export interface PathAsked {
  run: number;
  kind: Kind;
  /** Vocabulary id whose logit is followed; default: the most probable next token. */
  target?: number;
  /** Paths by chance to hold it against; default 20. */
  random?: number;
  seed?: number;
}
export interface Edge {
  layer: number;
  head: number;
  query: number;
  key: number;
  weight: number;
  /** α·‖v·W_O‖. */
  strength: number;
}
export interface PathShown {
  target: Guess;
  choices: Guess[];
  logit: number;
  edges: (Edge & { /** Change of the logit when this edge alone is cut. */ cut: number })[];
  /** Change of the logit when the whole path is cut. */
  cut: number;
  /** The same for paths by chance, of equal length, from the same place. */
  random: number[];
}

/** Strongest edges of a layer that are cut to see which one counts. */
const tried = 8;

/** Numbers that repeat with their seed: mulberry32. */
function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** α·‖v·W_O‖ of one head's row; NaN where the pair may not attend. */
function strengths(
  record: QkRecord,
  head: number,
  query: number,
  source: Source,
): { weight: Float32Array; strength: Float64Array } {
  const weight = visibleWeights(record, { head, rows: [query, query + 1] });
  const [, Hk, Lk, Dv] = record.values!.shape as [number, number, number, number];
  const group = Math.floor((head * Hk) / record.heads);
  const projection = source.outputProjection?.(record.site.layer, head);
  const strength = Float64Array.from(weight, (w, j) => {
    if (!(w > 0)) return w;
    const v = record.values!.data.subarray((group * Lk + j) * Dv, (group * Lk + j + 1) * Dv);
    if (!projection) return w * Math.hypot(...v);
    let square = 0;
    for (let n = 0; n < projection.shape[0]!; n++) {
      let dot = 0;
      for (let d = 0; d < Dv; d++) dot += projection.data[n * Dv + d]! * v[d]!;
      square += dot * dot;
    }
    return w * Math.sqrt(square);
  });
  return { weight, strength };
}

/** Takes α·v of some edges out of what heads give. */
function cutting(kind: Kind, edges: readonly Edge[]): AttentionListener {
  return {
    after(site, c, result) {
      const own = edges.filter((e) => site.kind === kind && site.layer === e.layer);
      if (own.length === 0) return result;
      const out = result.output.data.slice();
      const D = c.valueDim;
      for (const e of own) {
        const group = Math.floor((e.head * c.keyHeads) / c.heads);
        const from = c.v.offset + group * c.v.strides[1] + e.key * c.v.strides[2];
        const to = D * (c.outputLayout === "merged" ? e.query * c.heads + e.head : e.head * c.queries + e.query);
        for (let d = 0; d < D; d++) out[to + d]! -= e.weight * c.v.tensor.data[from + d]!;
      }
      return { ...result, output: tensor(out, result.output.shape) };
    },
  };
}

export const path: LabCall = async (asked, options, context) => {
  const { run, kind, target, random = 20, seed = 1 } = asked as PathAsked;
  const { result, source, text } = context.run(run);
  const model = source.model as Model | undefined;
  const { trace } = result;
  const last = logitsAt(trace, -1);
  if (!model || !last || kind === "encoder" || kind === "cross") {
    throw new UnavailableError({
      where: "path trace",
      argument: model ? "this attention" : "the trace",
      got: model ? "leads to no next word" : "was recorded, and cannot be run with an edge cut",
      fix: "open a model that writes: GPT, Llama",
    });
  }
  if (kind !== "self")
    throw new OptionError({ where: "path trace", argument: "kind", got: `is ${kind}`, expected: "self" });
  const choices = topOf(last, source, 8);
  const wanted = choices.find((g) => g.id === target) ?? choices[0]!;
  const layers = [...trace.layers(kind)].reverse();
  const records = layers.map((l) => trace.record(l, kind));
  if (records.some((r: AttentionRecord) => !(r instanceof QkRecord) || !r.values)) {
    throw new UnavailableError({ where: "path trace", argument: "the run", got: "has no value vectors", fix: "read the text again without painted weights" }); // biome-ignore format: one error
  }

  const candidates = (record: QkRecord, query: number): Edge[] => {
    const out: Edge[] = [];
    for (let head = 0; head < record.heads; head++) {
      const { weight, strength } = strengths(record, head, query, source);
      for (let key = 0; key < record.keys; key++)
        if (!Number.isNaN(weight[key]!)) out.push({ layer: record.site.layer, head, query, key, weight: weight[key]!, strength: strength[key]! }); // biome-ignore format: one candidate
    }
    return out;
  };
  const logitWithout = (edges: readonly Edge[]): number => {
    const cut = withListener(cutting(kind, edges), () => model.read(text, { trace: { logits: true } })).trace;
    return logitsAt(cut, -1)![wanted.id]!;
  };
  const logit = logitWithout([]);
  const total = layers.length * (tried + 1) + random;
  let done = 0;
  const change = async (cut: readonly Edge[]): Promise<number> => {
    const moved = logitWithout(cut) - logit;
    options.onProgress?.(Math.min(++done, total), total, "cuts made");
    await context.breathe();
    options.signal?.throwIfAborted();
    return moved;
  };
  const follow = async (pick: (from: Edge[], above: readonly Edge[]) => Edge | Promise<Edge>): Promise<Edge[]> => {
    const edges: Edge[] = [];
    let query = records[0]!.queries - 1;
    for (const record of records as QkRecord[]) {
      const edge = await pick(candidates(record, query), edges);
      edges.push(edge);
      query = edge.key;
    }
    return edges;
  };
  let cut = 0;
  const edges = await follow(async (from, above) => {
    const strongest = from.sort((a, b) => b.strength - a.strength).slice(0, tried);
    let best = strongest[0]!;
    let most = -1;
    for (const edge of strongest) {
      const moved = await change([...above, edge]);
      if (Math.abs(moved) <= most) continue;
      [best, most, cut] = [edge, Math.abs(moved), moved];
    }
    return best;
  });
  const chance = seeded(seed);
  const each: PathShown["edges"] = [];
  for (const e of edges) each.push({ ...e, cut: await change([e]) });
  const others: number[] = [];
  for (let n = 0; n < random; n++) others.push(await change(await follow((c) => c[Math.floor(chance() * c.length)]!)));
  return { target: wanted, choices, logit, edges: each, cut, random: others } satisfies PathShown;
};
