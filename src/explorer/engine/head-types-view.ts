/** @file Scores of every head of a run for every type, with the chance level for its very sequence. */
import { type HeadTokens, headTypes, type Trace, uniformMap, visibleWeights } from "../../trace/index.js";
import type { CallOptions, HeadTypesView, KindView } from "./protocol.js";

/** Rows × columns above which scores are read from the first tokens only. */
const longest = 1024;

export async function headTypesView(
  trace: Trace,
  view: KindView,
  options: CallOptions,
  breathe: () => Promise<void>,
): Promise<HeadTypesView> {
  const [Lq, Lk] = [Math.min(view.queries, longest), Math.min(view.keys, longest)];
  const tokens: HeadTokens = {
    ids: view.columns.slice(0, Lk).map((t) => t.id),
    delimiter: view.columns.slice(0, Lk).map((t) => t.special || /^[\s\p{P}]+$/u.test(t.text)),
    square: view.kind !== "cross" && view.queries === view.keys,
  };
  const part = { rows: [0, Lq], columns: [0, Lk] } as const;
  const heads: HeadTypesView["heads"] = [];
  let chance: Record<string, number> | undefined;
  const total = view.layers.length * view.heads;
  for (const layer of view.layers) {
    const record = trace.record(layer, view.kind);
    for (let head = 0; head < record.heads; head++) {
      const map = visibleWeights(record, { head, ...part });
      const score = (m: Float32Array): Record<string, number> =>
        Object.fromEntries(headTypes.map((t) => [t.id, t.score(m, Lq, Lk, tokens)]));
      chance ??= score(uniformMap(map, Lq, Lk));
      heads.push({ layer, head, scores: score(map) });
      options.onProgress?.(heads.length, total, "heads scored");
      await breathe();
      options.signal?.throwIfAborted();
    }
  }
  return {
    types: headTypes.map(({ id, name, says }) => ({ id, name, says, chance: chance?.[id] ?? Number.NaN })),
    heads,
  };
}
