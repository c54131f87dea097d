/** @file Rollout and flow of a run. */
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
import type { CallOptions, KindView, LayerMaps } from "./protocol.js";

/** Longest text: rollout costs layers · L³. */
const longest = 512;

function layersOf(trace: Trace, view: KindView, upTo: number): Float32Array[][] {
  if (view.queries !== view.keys || view.kind === "cross") {
    throw new OptionError({
      where: "rollout",
      argument: "the map",
      got: `is ${view.queries} × ${view.keys}`,
      expected: "a square one: self-attention",
    });
  }
  if (view.queries > longest) {
    throw new OptionError({
      where: "rollout",
      argument: "the text",
      got: `has ${view.queries} tokens`,
      expected: `at most ${longest}`,
      fix: "shorten the text",
    });
  }
  return view.layers
    .filter((l) => l <= upTo)
    .map((layer) => {
      const record = trace.record(layer, view.kind);
      return Array.from({ length: record.heads }, (_, head) => visibleWeights(record, { head }));
    });
}

export function rolloutMaps(
  trace: Trace,
  view: KindView,
  asked: { fusion: string; residual: number; upTo: number; discard?: number },
): LayerMaps {
  const L = view.queries;
  const fair = asked.fusion.endsWith("-fair");
  const fusion = asked.fusion.replace("-fair", "") as Fusion;
  const product = rollout(layersOf(trace, view, asked.upTo), L, {
    fusion,
    residual: asked.residual,
    discard: asked.discard ?? 0,
  });
  const map = fair ? receptiveFieldNormalised(product, L) : product;
  const values = Float32Array.from(map);
  if (view.causal) for (let i = 0; i < L; i++) values.fill(Number.NaN, i * L + i + 1, (i + 1) * L);
  const groups = Array.from({ length: L }, (_, i) => [i, i + 1] as const);
  return { kind: view.kind, layer: asked.upTo, heads: 1, rows: groups, columns: groups, values };
}

export async function flowFrom(
  trace: Trace,
  view: KindView,
  asked: { output: number; residual: number },
  options: CallOptions,
  breathe: () => Promise<void>,
): Promise<Float32Array> {
  const L = view.queries;
  const mixed = layersOf(trace, view, Number.POSITIVE_INFINITY).map((h) =>
    mixedLayer(h, L, { residual: asked.residual }),
  );
  const steps = attentionFlow(mixed, L, asked.output);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return Float32Array.from(value);
    options.onProgress?.(value, L, "inputs");
    await breathe();
    options.signal?.throwIfAborted();
  }
}
