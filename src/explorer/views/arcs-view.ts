/** @file Arcs over the running text, or beside it down the page: from the chosen token, or from every one. */
import { html, type TemplateResult } from "lit";
import type { KindView, LayerMaps } from "../engine/protocol.js";
import { type ArcsOptions, type ArcsScene, arcsScene } from "../scene/arcs.js";
import { passageOf } from "../scene/passage.js";
import { groupLabel, percent } from "../scene/tokens.js";
import { groupAt, headOf, layerOf } from "../state/actions.js";
import { define } from "./base.js";
import { lineLegend } from "./legend.js";
import { LayerPicture } from "./layer-picture.js";

class ArcsView extends LayerPicture {
  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const maps = store.maps();
    if (!k || maps?.state !== "ready") return html``;
    const c = store.choice.value;
    const focus = store.focus.value;
    const head = headOf(store, k);
    const reverse = c.extra["direction"] === "in";
    const every = c.extra["arcsOf"] === "every";
    const [query, key] = [groupAt(maps.value.rows, focus.query ?? c.query), groupAt(maps.value.columns, focus.key ?? c.key)]; // biome-ignore format: two sides
    const asked = reverse ? Math.max(0, key) : query >= 0 ? query : maps.value.rows.length - 1;
    const scene = this.#scene(k, maps.value, {
      head,
      asked: every ? -1 : asked,
      reverse,
      least: c.least,
      down: c.extra["arcs"] === "down",
      width: Math.max(240, this.paper),
      measure: this.measure,
      says: `Arcs from each token to the tokens it looks at, layer ${layerOf(store, k)}, head ${head}.`,
    });
    const pointed = { ...(focus.query !== undefined && { query }), ...(focus.key !== undefined && { key }) };
    this.show(scene, { cursor: every ? pointed : reverse ? { ...pointed, key: asked } : { ...pointed, query: asked } });
    const set = (name: string, value: string): void => store.change({ extra: { ...c.extra, [name]: value } }, "push");
    return html`
      <div class="tools">
        <div class="segments" role="group" aria-label="Whose arcs">
          <button aria-pressed=${!every} @click=${() => set("arcsOf", "")}>the chosen token’s</button>
          <button aria-pressed=${every} @click=${() => set("arcsOf", "every")}>every token’s</button>
        </div>
        <label class="slider">weights from <input type="range" min="0" max="0.5" step="0.01" aria-label="smallest weight drawn" .value=${String(c.least)} @input=${(e: Event) => store.change({ least: Number((e.target as HTMLInputElement).value) })} /> <output>${c.least.toFixed(2)}</output></label>
      </div>
      ${this.canvas(scene)}
      ${lineLegend(html`${scene.lines.length.toLocaleString("en")} ${scene.lines.length === 1 ? "arc carries" : "arcs carry"} ${percent(scene.drawn)} of the weight${every ? "" : html` of <bdi>${groupLabel(reverse ? k.columns : k.rows, (reverse ? maps.value.columns : maps.value.rows)[asked]!)}</bdi>`}.`)}
    `;
  }

  #kept: { name: string; values: Float32Array; scene: ArcsScene } | undefined;
  /** The same scene while nothing that it shows has changed. */
  #scene(k: KindView, maps: LayerMaps, o: Omit<ArcsOptions, "texts" | "values">): ArcsScene {
    const name = JSON.stringify([o, document.fonts?.status]);
    if (this.#kept?.name !== name || this.#kept.values !== maps.values) {
      const [R, C] = [maps.rows.length, maps.columns.length];
      const keys = passageOf(k.columns, maps.columns);
      const texts = k.kind !== "cross" && R === C ? [keys] : [keys, passageOf(k.rows, maps.rows)];
      const values = maps.values.subarray(o.head * R * C, (o.head + 1) * R * C);
      this.#kept = { name, values: maps.values, scene: arcsScene({ ...o, texts, values }) };
    }
    return this.#kept.scene;
  }
}
define("qkv-arcs-view", ArcsView);
