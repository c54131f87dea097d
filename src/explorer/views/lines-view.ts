/** @file The head view: tokens on both sides, a curve for every weight worth drawing; one head or several. */
import { html, nothing, type TemplateResult } from "lit";
import { headStyle } from "../draw/colour.js";
import { linesLayout, type LinesOptions, type LinesScene, type LinesShown } from "../scene/lines.js";
import { runsFromRight } from "../scene/direction.js";
import { groupLabel, percent } from "../scene/tokens.js";
import { groupAt, headOf, layerOf } from "../state/actions.js";
import { numberWithin } from "../state/choice.js";
import { define } from "./base.js";
import { lineLegend } from "./legend.js";
import { LayerPicture } from "./layer-picture.js";
import { rowTable } from "./row-table.js";
import { waiting } from "./waiting.js";

class LinesView extends LayerPicture {
  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const maps = store.maps();
    if (!k) return waiting(store.run.value, "Reading the text");
    if (!maps)
      return html`<p class="empty">This text has ${k.queries.toLocaleString("en")} tokens: too many for lines. The Map view shows all of them.</p>`;
    if (maps.state !== "ready") return waiting(maps, "Computing the layer");
    const c = store.choice.value;
    const heads = (c.heads.length > 0 ? c.heads : [headOf(store, k)]).filter((h) => h < maps.value.heads);
    const focus = store.focus.value;
    const query = groupAt(maps.value.rows, focus.query ?? (focus.key === undefined ? c.query : -1));
    const key = groupAt(maps.value.columns, focus.key ?? -1);
    const mass = numberWithin(c.extra["mass"], 0.9, 0.1, 1);
    const across = c.extra["lines"] === "across";
    const scene = this.#scene(
      {
        across,
        rtl: across && runsFromRight(k.rows.map((t) => t.text)),
        rows: maps.value.rows.map((g) => groupLabel(k.rows, g)),
        columns: maps.value.columns.map((g) => groupLabel(k.columns, g)),
        values: maps.value.values,
        least: c.least,
        mass: c.extra["mass"] ? mass : undefined,
        width: this.paper,
        measure: this.measure,
      },
      {
        heads,
        query,
        says: `Lines from each token to the tokens it looks at, layer ${layerOf(store, k)}, ${heads.length === 1 ? `head ${heads[0]}` : `${heads.length} heads`}.`,
      },
    );
    const cursor = {
      ...(query >= 0 && { query }),
      ...(key >= 0 && { key }),
      ...(focus.head !== undefined && { head: focus.head }),
    };
    this.show(scene, { cursor });
    return html`
      <div class="tools">
        <div class="chips" role="group" aria-label="Heads drawn">
          <button class="chip" aria-pressed=${heads.length === maps.value.heads} @click=${() => store.change({ heads: heads.length === maps.value.heads ? [] : [...Array(maps.value.heads).keys()] }, "push")}>all heads</button>
          ${[...Array(maps.value.heads).keys()].map((h) => {
            const on = heads.includes(h);
            const { colour, dash } = headStyle(h, store.mode.value);
            return html`<button class="chip head-chip" aria-pressed=${on} aria-label="head ${h}" @click=${() => this.#toggle(heads, h)}>
              <svg width="18" height="8" aria-hidden="true"><line x1="1" y1="4" x2="17" y2="4" stroke=${colour} stroke-width="3" stroke-dasharray=${dash.join(" ")}></line></svg>${h}</button>`;
          })}
        </div>
        <label class="slider">draw <select id="by" @change=${(e: Event) => store.change({ extra: { ...c.extra, mass: (e.target as HTMLSelectElement).value } }, "push")}><option value="" ?selected=${!c.extra["mass"]}>weights from</option><option value="0.9" ?selected=${Boolean(c.extra["mass"])}>the fewest that carry</option></select>
          ${c.extra["mass"] ? html`<input type="range" min="0.1" max="1" step="0.05" aria-label="share of each row" .value=${String(mass)} @input=${(e: Event) => store.change({ extra: { ...c.extra, mass: (e.target as HTMLInputElement).value } })} /> <output>${percent(mass)}</output>` : html`<input type="range" min="0" max="0.5" step="0.01" aria-label="smallest weight drawn" .value=${String(c.least)} @input=${(e: Event) => store.change({ least: Number((e.target as HTMLInputElement).value) })} /> <output>${c.least.toFixed(2)}</output>`}</label>
        <div class="segments" role="group" aria-label="Tokens stand"><button aria-pressed=${!across} @click=${() => store.change({ extra: { ...c.extra, lines: "" } }, "push")}>in columns</button><button aria-pressed=${across} @click=${() => store.change({ extra: { ...c.extra, lines: "across" } }, "push")}>in rows</button></div>
      </div>
      ${this.canvas(scene)}
      ${lineLegend(html`${across ? "Above looks, below" : "Left looks, right"} is looked at. ${scene.lines.length.toLocaleString("en")} ${scene.lines.length === 1 ? "line carries" : "lines carry"} ${percent(scene.drawn)} of the weight.`)}
      ${query >= 0 && heads.length === 1 ? rowTable(k, maps.value, heads[0]!, query, "What it looks at most") : nothing}
    `;
  }

  #layout: { name: string; values: Float32Array; scene: (shown: LinesShown) => LinesScene } | undefined;
  #kept: { name: string; layout: unknown; scene: LinesScene } | undefined;
  /** The same layout for all heads of a layer, and the same scene while nothing that it shows has changed. */
  #scene(o: LinesOptions, shown: LinesShown): LinesScene {
    const layer = JSON.stringify([o.least, o.mass, o.width, o.across, o.rows.length, document.fonts?.status]);
    if (this.#layout?.name !== layer || this.#layout.values !== o.values)
      this.#layout = { name: layer, values: o.values, scene: linesLayout(o) };
    const name = JSON.stringify([shown.heads, shown.query]);
    if (this.#kept?.name !== name || this.#kept.layout !== this.#layout)
      this.#kept = { name, layout: this.#layout, scene: this.#layout.scene(shown) };
    return this.#kept.scene;
  }

  #toggle(heads: number[], h: number): void {
    const next = heads.includes(h) ? heads.filter((x) => x !== h) : [...heads, h].sort((a, b) => a - b);
    const only = next.length === 1 ? { head: next[0]!, heads: [] } : { heads: next };
    if (next.length > 0) this.store.change(only, "push");
  }
}
define("qkv-lines-view", LinesView);
