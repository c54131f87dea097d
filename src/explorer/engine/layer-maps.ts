/** @file The maps of a layer as the filters want them: tokens left out, put together, heads put together. */
import { OptionError } from "../../tensor/index.js";
import { type AttentionRecord, visibleWeights } from "../../trace/index.js";
import { fold, groupsOf, plain, together } from "./groups.js";
import type { Filter, KindView, LayerMaps } from "./protocol.js";

/** Largest layer handed over as finished maps, in numbers; longer texts are looked at by tiles. */
const largestLayer = 2 ** 22;

export function layerMapsOf(record: AttentionRecord, view: KindView, layer: number, filter: Filter): LayerMaps {
  const { kind } = view;
  const { heads, queries, keys } = record;
  if (heads * queries * keys > largestLayer) {
    throw new OptionError({
      where: "explore",
      argument: "the layer",
      got: `has ${heads} maps of ${queries} × ${keys}`,
      expected: `at most ${largestLayer} numbers at once`,
      fix: "use the map view, which reads tiles",
    });
  }
  const rows = groupsOf(view.rows, filter);
  const columns = groupsOf(view.columns, filter);
  const parts: Float32Array[] = [];
  for (let head = 0; head < heads; head++) {
    const map = visibleWeights(record, { head });
    parts.push(plain(filter) ? map : fold(map, keys, rows, columns, filter.renormalise));
  }
  const size = rows.length * columns.length;
  const values = new Float32Array(heads * size);
  parts.forEach((p, h) => values.set(p, h * size));
  const maps = { kind, layer, heads, rows, columns, values };
  return filter.together ? together(maps, filter.together) : maps;
}
