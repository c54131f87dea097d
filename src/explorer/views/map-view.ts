/** @file The heatmap of one head: every weight in its cell, the exact number under the pointer and the cursor. */
import { html, nothing, type TemplateResult } from "lit";
import { heatmapScene } from "../scene/heatmap.js";
import type { PathShown } from "../engine/alignment.js";
import type { KindView } from "../engine/protocol.js";
import { groupLabel, weightText } from "../scene/tokens.js";
import { plain } from "../engine/groups.js";
import { groupAt, headOf, layerOf } from "../state/actions.js";
import { define } from "./base.js";
import { lazy } from "./lazy.js";
import { legend } from "./legend.js";
import { LayerPicture } from "./layer-picture.js";
import { rowTable } from "./row-table.js";
import { waiting } from "./waiting.js";

/** From this many pairs the map is read in tiles: drawing a million cells for every move of the pointer would stutter. */
const byTiles = 2 ** 18;

class MapView extends LayerPicture {
  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const maps = store.maps();
    if (!k) return waiting(store.run.value, "Reading the text");
    if (!maps || (k.queries * k.keys > byTiles && plain(store.choice.value.filter) && !store.choice.value.weighted))
      return lazy(() => import("./tiles-view.js"), html`<qkv-tiles-view></qkv-tiles-view>`);
    if (maps.state !== "ready") return waiting(maps, "Computing the layer");
    const head = headOf(store, k);
    const [R, C] = [maps.value.rows.length, maps.value.columns.length];
    const values = this.#head(maps.value.values, head, R * C);
    const scene = heatmapScene({
      rows: maps.value.rows.map((g) => groupLabel(k.rows, g)),
      columns: maps.value.columns.map((g) => groupLabel(k.columns, g)),
      width: this.paper,
      height: Math.max(320, Math.min(innerHeight - 260, 900)),
      camera: null,
      measure: this.measure,
      says: `Map of layer ${layerOf(store, k)}, head ${head}: a row a token that looks, a column a token looked at.`,
      cells: [{ rows: R, columns: C, values, row0: 0, column0: 0, step: 1 }],
    });
    const c = store.choice.value;
    const path = k.kind === "cross" && plain(c.filter) && c.extra["path"] !== "0" ? this.#path(k, head) : undefined;
    if (path) scene.path = path.keys.map((key, i) => ({ query: i, key }));
    const focus = store.focus.value;
    const query = groupAt(maps.value.rows, focus.query ?? c.query);
    const key = groupAt(maps.value.columns, focus.key ?? c.key);
    this.show(scene, { cursor: { query, key } });
    return html`${this.canvas(scene)} ${legend(store, k)} ${k.kind === "cross" ? html`<p class="legend"><label class="tick"><input type="checkbox" id="path" .checked=${c.extra["path"] !== "0"} @change=${(e: Event) => store.change({ extra: { ...c.extra, path: (e.target as HTMLInputElement).checked ? "" : "0" } })} /> alignment path</label> ${path ? html`<span data-testid="path">the way through the map that never goes back and carries most: mean weight ${weightText(path.mean)}; the best key of each row alone would give ${weightText(path.best)}</span>` : nothing}</p>` : nothing} ${query >= 0 ? rowTable(k, maps.value, head, query, "Strongest keys of this row") : nothing}`;
  }

  #path(k: KindView, head: number): PathShown | undefined {
    const { store } = this;
    const asked = { run: store.shown.value!.id, kind: k.kind, layer: layerOf(store, k), head };
    const answer = store.ask(`path ${JSON.stringify(asked)}`, () => store.engine.lab("alignment", asked) as Promise<PathShown>).value; // biome-ignore format: one question
    return answer.state === "ready" ? answer.value : undefined;
  }

  #kept: { from: Float32Array; head: number; values: Float32Array } | undefined;
  /** One head's numbers as an array of their own, the same one while it is the same head: its image is kept. */
  #head(all: Float32Array, head: number, size: number): Float32Array {
    if (this.#kept?.from !== all || this.#kept.head !== head) {
      this.#kept = { from: all, head, values: all.subarray(head * size, (head + 1) * size) };
    }
    return this.#kept.values;
  }
}
define("qkv-map-view", MapView);
