/**
 * @file Path trace: from what a model is about to say back through the edges that carry most, each tested by cutting it.
 *
 * An edge (layer, head, query → key) carries α·‖v·W_O‖ into the query's stream. From the position asked about at the last
 * layer down, the strongest edges of each layer are cut one by one, and the one whose cut moves the result most is
 * followed, its key becoming the next query: strength alone does not say whether what is carried matters here. In a decoder
 * that looks back at an encoder both attentions of a layer are tried; an edge into the source goes on at the encoder's top.
 * An edge is cut by taking its own α·v out of the head's output, the other weights staying as they are.
 *
 * The result is a word's logit where the model gives one for the position, a class's where it gives one a text, else the
 * position's last vector, whose move is counted as a share of its length.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import type { Model } from "../../models/index.js";
import { OptionError, tensor, UnavailableError } from "../../tensor/index.js";
import { QkRecord, type Trace, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import { logitsAt, placeOf, saysOf, speakerOf, topOf } from "./predict.js";
import type { Guess, Kind } from "./protocol.js";
import { inputsOf } from "./reading.js";
import type { Source } from "./sources.js";
import { runWithEdits } from "./what-if.js";

export interface PathAsked {
  run: number;
  /** The token whose result is followed; default: the last; of an encoder the masked one, else the first. */
  position?: number;
  /** Vocabulary id, or class, whose logit is followed; default: the most probable. */
  target?: number;
  /** Paths by chance to hold it against; default 20. */
  random?: number;
  seed?: number;
}
export interface Edge {
  kind: Kind;
  layer: number;
  head: number;
  query: number;
  key: number;
  weight: number;
  /** α·‖v·W_O‖. */
  strength: number;
}
export interface PathShown {
  /** What is followed: the next word, the word at the token itself, a label of it, a class of the whole text, or the token's last vector. */
  of: "next" | "word" | "label" | "class" | "vector";
  position: number;
  /** Absent for a vector. */
  target?: Guess;
  choices: Guess[];
  /** Before any cut: the logit, or the vector's length. */
  before: number;
  edges: (Edge & { /** Change when this edge alone is cut: of the logit, or ‖new − old‖ / ‖old‖. */ cut: number })[];
  /** The same when the whole path is cut. */
  cut: number;
  /** The same for paths by chance, through the same attentions, from the same place. */
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
  const projection = source.outputProjection?.(record.site.layer, head, record.site.kind);
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
function cutting(edges: readonly Edge[]): AttentionListener {
  return {
    after(site, c, result) {
      const own = edges.filter((e) => site.kind === e.kind && site.layer === e.layer);
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

/** What is followed through the cuts, and how far a reading of it is from the first one. */
interface Result extends Pick<PathShown, "of" | "position" | "target" | "choices" | "before"> {
  moved(trace: Trace): number;
}

function resultOf(trace: Trace, source: Source, { position, target }: PathAsked): Result {
  const tokens = trace.info.sequences[0]!.ids.length;
  if (position !== undefined && !(Number.isInteger(position) && position >= 0 && position < tokens)) {
    throw new OptionError({ where: "path trace", argument: "position", got: `is ${position}`, expected: `a token, 0 to ${tokens - 1}` }); // biome-ignore format: one error
  }
  const says = saysOf(trace, source.model as Model | undefined);
  const word = (all: Float32Array, of: "next" | "word" | "label" | "class", at: number, row: number): Result => {
    const choices = topOf(all, speakerOf(of, source), 8);
    const wanted = choices.find((g) => g.id === target) ?? choices[0]!;
    const before = all[wanted.id]!;
    return { of, position: at, target: wanted, choices, before, moved: (t) => logitsAt(t, row)![wanted.id]! - before };
  };
  if (says === "class") return word(logitsAt(trace, 0)!, says, 0, 0);
  if (says !== "none") {
    const at = position ?? placeOf(trace, says);
    return word(logitsAt(trace, at)!, says, at, at);
  }
  const last = trace.hiddenStates.at(-1);
  if (!last) throw new UnavailableError({ where: "path trace", argument: "the run", got: "has neither logits nor states to follow" }); // biome-ignore format: one error
  const at = position ?? 0;
  const row = (t: Trace): Float32Array => {
    const state = t.hiddenStates.at(-1)!;
    const width = state.shape.at(-1)!;
    return state.data.slice(at * width, (at + 1) * width);
  };
  const own = row(trace);
  const before = Math.hypot(...own);
  const moved = (t: Trace): number => Math.hypot(...row(t).map((x, d) => x - own[d]!)) / before;
  return { of: "vector", position: at, choices: [], before, moved };
}

export const path: LabCall = async (asked, options, context) => {
  const { run, random = 20, seed = 1 } = asked as PathAsked;
  const { result, source, edits } = context.run(run);
  const model = source.model as Model | undefined;
  const { trace } = result;
  if (!model) {
    throw new UnavailableError({
      where: "path trace",
      argument: source.card.name,
      got: "cannot be run with an edge cut",
      fix: "open the model's own folder (config.json and safetensors) or GGUF file",
    });
  }
  if (trace.records.some((r) => !(r instanceof QkRecord) || !r.values)) {
    throw new UnavailableError({ where: "path trace", argument: "the run", got: "has no value vectors", fix: "read the text again without painted weights" }); // biome-ignore format: one error
  }
  const record = (kind: Kind, layer: number): QkRecord => trace.record(layer, kind) as QkRecord;
  const inputs = inputsOf(trace.info);
  const reading = (edges: readonly Edge[]): Trace =>
    withListener(cutting(edges), () =>
      edits.length > 0
        ? runWithEdits((o) => model.forward(inputs, o), model, edits)
        : model.forward(inputs, { trace: { logits: true, hiddenStates: true } }).trace,
    );
  const { moved, ...followed } = resultOf(reading([]), source, asked as PathAsked);

  const candidates = (r: QkRecord, query: number): Edge[] => {
    const { kind, layer } = r.site;
    const out: Edge[] = [];
    for (let head = 0; head < r.heads; head++) {
      const { weight, strength } = strengths(r, head, query, source);
      for (let key = 0; key < r.keys; key++)
        if (!Number.isNaN(weight[key]!)) out.push({ kind, layer, head, query, key, weight: weight[key]!, strength: strength[key]! }); // biome-ignore format: one candidate
    }
    return out;
  };
  /** The attentions an edge can be of, from the one above it down; none below the first layer. */
  const below = (edge: Edge | undefined): QkRecord[] => {
    const from = !edge ? (trace.kinds.includes("decoder") ? "decoder" : trace.kinds[0]!) : edge.kind === "cross" ? "encoder" : edge.kind; // biome-ignore format: one choice
    const layers = trace.layers(from);
    const layer = !edge || edge.kind === "cross" ? layers.at(-1)! : layers[layers.indexOf(edge.layer) - 1];
    if (layer === undefined) return [];
    return [
      record(from, layer),
      ...(from === "decoder" && trace.kinds.includes("cross") ? [record("cross", layer)] : []),
    ];
  };
  const total = trace.layers(trace.kinds[0]!).length * (tried + 1) + random;
  let done = 0;
  const change = async (cut: readonly Edge[]): Promise<number> => {
    const by = moved(reading(cut));
    options.onProgress?.(Math.min(++done, total), total, "cuts made");
    await context.breathe();
    options.signal?.throwIfAborted();
    return by;
  };
  let cut = 0;
  const edges: Edge[] = [];
  for (let from = below(undefined); from.length > 0; from = below(edges.at(-1))) {
    const query = edges.at(-1)?.key ?? followed.position;
    const all = from.flatMap((r) => candidates(r, query));
    if (all.length === 0) break; // a row that sees nothing
    const strongest = all.sort((a, b) => b.strength - a.strength).slice(0, tried);
    let best = strongest[0]!;
    let most = -1;
    for (const edge of strongest) {
      const by = await change([...edges, edge]);
      if (Math.abs(by) <= most) continue;
      [best, most, cut] = [edge, Math.abs(by), by];
    }
    edges.push(best);
  }
  const each: PathShown["edges"] = [];
  for (const e of edges) each.push({ ...e, cut: await change([e]) });
  const chance = seeded(seed);
  const others: number[] = [];
  for (let n = 0; n < random; n++) {
    const path: Edge[] = [];
    for (const { kind, layer } of edges) {
      const from = candidates(record(kind, layer), path.at(-1)?.key ?? followed.position);
      if (from.length > 0) path.push(from[Math.floor(chance() * from.length)]!);
    }
    others.push(await change(path));
  }
  return { ...followed, edges: each, cut, random: others } satisfies PathShown;
};
