/**
 * @file Rollout and flow of a run. Of an encoder–decoder's cross-attention they go through both stacks: source and target
 * stand side by side as one sequence, in which each layer moves its own part and leaves the other as it is.
 */
import { OptionError } from "../../tensor/index.js";
import {
  attentionFlow,
  type Fusion,
  mixedLayer,
  receptiveFieldNormalised,
  rollout,
  type Trace,
  visibleWeights,
} from "../../trace/index.js";
import type { CallOptions, Kind, KindView, LayerMaps } from "./protocol.js";

/** Longest text: rollout costs layers · L³. */
const longest = 512;

/** The maps of each layer in order, and the length of the sequence they are on. */
interface Layers {
  maps: Float32Array[][];
  length: number;
  /** Where the tokens of the rows stand in it. */
  from: number;
}

function layersOf(trace: Trace, view: KindView, upTo: number): Layers {
  if (view.kind === "cross") return bothStacks(trace, view, upTo);
  if (view.queries !== view.keys) {
    throw new OptionError({
      where: "rollout",
      argument: "the map",
      got: `is ${view.queries} × ${view.keys}`,
      expected: "a square one: self-attention",
    });
  }
  mustBeShort(view.queries);
  const maps = view.layers.filter((l) => l <= upTo).map((layer) => mapsOf(trace, view.kind, layer));
  return { maps, length: view.queries, from: 0 };
}

function mustBeShort(tokens: number): void {
  if (tokens <= longest) return;
  throw new OptionError({
    where: "rollout",
    argument: "the text",
    got: `has ${tokens} tokens`,
    expected: `at most ${longest}`,
    fix: "shorten the text",
  });
}

function mapsOf(trace: Trace, kind: Kind, layer: number): Float32Array[] {
  const record = trace.record(layer, kind);
  return Array.from({ length: record.heads }, (_, head) => visibleWeights(record, { head }));
}

/** Source before target: encoder layers on the one, then each decoder layer's self-attention and its look across. */
function bothStacks(trace: Trace, { queries, keys, layers }: KindView, upTo: number): Layers {
  const length = keys + queries;
  mustBeShort(length);
  const placed = (map: Float32Array, row: number, column: number, columns: number): Float32Array => {
    const out = new Float32Array(length * length);
    for (let from = 0, i = row; from < map.length; from += columns, i++)
      for (let j = 0; j < columns; j++) out[i * length + column + j] = map[from + j]! || 0; // NaN: may not attend
    return out;
  };
  const has = (kind: Kind): boolean => trace.kinds.includes(kind);
  const maps = has("encoder")
    ? trace.layers("encoder").map((l) => mapsOf(trace, "encoder", l).map((m) => placed(m, 0, 0, keys)))
    : [];
  for (const layer of layers.filter((l) => l <= upTo)) {
    if (has("decoder")) maps.push(mapsOf(trace, "decoder", layer).map((m) => placed(m, keys, keys, queries)));
    maps.push(mapsOf(trace, "cross", layer).map((m) => placed(m, keys, 0, keys)));
  }
  return { maps, length, from: keys };
}

export function rolloutMaps(
  trace: Trace,
  view: KindView,
  asked: { fusion: string; residual: number; upTo: number; discard?: number },
): LayerMaps {
  const fair = view.kind !== "cross" && asked.fusion.endsWith("-fair");
  const fusion = asked.fusion.replace("-fair", "") as Fusion;
  const { maps, length: L, from } = layersOf(trace, view, asked.upTo);
  const product = rollout(maps, L, {
    fusion,
    residual: asked.residual,
    discard: asked.discard ?? 0,
  });
  const map = fair ? receptiveFieldNormalised(product, L) : product;
  const values = Float32Array.from(map);
  const group = (n: number) => Array.from({ length: n }, (_, i) => [i, i + 1] as const);
  if (from > 0) {
    const across = Float32Array.from({ length: view.queries * view.keys }, (_, n) => values[(from + Math.floor(n / view.keys)) * L + (n % view.keys)]!); // biome-ignore format: one map
    return { kind: view.kind, layer: asked.upTo, heads: 1, rows: group(view.queries), columns: group(view.keys), values: across }; // biome-ignore format: one record
  }
  if (view.causal) for (let i = 0; i < L; i++) values.fill(Number.NaN, i * L + i + 1, (i + 1) * L);
  return { kind: view.kind, layer: asked.upTo, heads: 1, rows: group(L), columns: group(L), values };
}

export async function flowFrom(
  trace: Trace,
  view: KindView,
  asked: { output: number; residual: number },
  options: CallOptions,
  breathe: () => Promise<void>,
): Promise<Float32Array> {
  const { maps, length: L, from } = layersOf(trace, view, Number.POSITIVE_INFINITY);
  const mixed = maps.map((h) => mixedLayer(h, L, { residual: asked.residual }));
  const steps = attentionFlow(mixed, L, from + asked.output);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return Float32Array.from(value).slice(0, view.keys);
    options.onProgress?.(value, L, "inputs");
    await breathe();
    options.signal?.throwIfAborted();
  }
}
