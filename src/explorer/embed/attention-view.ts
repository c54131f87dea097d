/**
 * @file `<attention-view src="run.trace.safetensors" layer="2" head="1" view="map">`: a picture of one head anywhere: plain
 * HTML, React, Svelte, a notebook. No network beyond `src`, no framework, its own shadow tree.
 *
 * Attributes (and properties of the same names): `src` a trace file, or a `<script type="application/x-qkv-trace">` inside
 * with the file in base64; `layer`, `head`, `view` ("map", "lines", "arcs"), `kind`, `query`, `key`, `theme` ("light", "dark",
 * "contrast"), `controls` (absent: the picture only). What is inside the element otherwise shows until the picture is there.
 * Events: "attention-ready" { layers, heads, tokens }, "attention-select" { layer, head, query, key, weight, tokens },
 * "attention-error" { message }.
 */
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { describeKinds } from "../engine/kinds.js";
import type { KindView } from "../engine/protocol.js";
import { drawScene, type Look } from "../draw/canvas.js";
import { type Mode, rampOf } from "../draw/colour.js";
import { arcsScene } from "../scene/arcs.js";
import { heatmapScene } from "../scene/heatmap.js";
import { linesScene } from "../scene/lines.js";
import { type Passage, passageOf } from "../scene/passage.js";
import { hit, type Scene } from "../scene/scene.js";
import { tokenLabel, weightText } from "../scene/tokens.js";
import { readTrace } from "../../trace/file.js";
import type { Trace } from "../../trace/trace.js";
import { visibleWeights } from "../../trace/visible.js";

const colours: Record<Mode, Record<string, string>> = {
  light: { paper: "#faf9f5", surface: "#ffffff", ink: "#1b1a17", soft: "#5f5b52", query: "#1f4fa3", key: "#a8450a", hatch: "#e3dfd4", line: "#dedace", bad: "#a3211b" },
  dark: { paper: "#121317", surface: "#1a1c21", ink: "#eceae4", soft: "#aaa69c", query: "#9dbcff", key: "#f4ae74", hatch: "#292c33", line: "#33363e", bad: "#ff9d94" },
  contrast: { paper: "#ffffff", surface: "#ffffff", ink: "#000000", soft: "#000000", query: "#0000c0", key: "#8a3300", hatch: "#767676", line: "#000000", bad: "#a00000" },
}; // biome-ignore format: a table
const font = '"Source Sans 3", "Segoe UI", system-ui, -apple-system, sans-serif';
/** Largest map drawn cell by cell here; longer texts belong to the explorer. */
const largest = 1024;

export class AttentionView extends LitElement {
  static override properties = {
    src: { type: String, reflect: true },
    layer: { type: Number, reflect: true },
    head: { type: Number, reflect: true },
    view: { type: String, reflect: true },
    kind: { type: String, reflect: true },
    query: { type: Number, reflect: true },
    key: { type: Number, reflect: true },
    theme: { type: String, reflect: true },
    controls: { type: Boolean, reflect: true },
    room: { state: true },
    trace: { state: true },
    trouble: { state: true },
    at: { state: true },
  };
  declare src: string | undefined;
  declare layer: number;
  declare head: number;
  declare view: string;
  declare kind: string;
  declare query: number;
  declare key: number;
  declare theme: string;
  declare controls: boolean;
  declare room: number;
  declare trace: Trace | undefined;
  declare trouble: string;
  declare at: { query?: number; key?: number } | undefined;

  static override styles = css`
    :host { display: block; font: 400 15px/1.4 "Source Sans 3", "Segoe UI", system-ui, sans-serif; font-variant-numeric: tabular-nums; color: var(--ink); background: var(--paper); padding: 12px; }
    :host([hidden]) { display: none; }
    .bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin-bottom: 8px; }
    select { font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--line); border-radius: 6px; padding: 2px 4px; }
    .frame { overflow-x: auto; }
    canvas { display: block; cursor: crosshair; touch-action: pan-y pinch-zoom; }
    :focus-visible { outline: 2px solid var(--query); outline-offset: 2px; }
    .read { min-height: 1.5em; margin: 6px 0 0; }
    .q { color: var(--query); font-weight: 600; }
    .k { color: var(--key); font-weight: 600; }
    .error { color: var(--bad); }
    table { border-collapse: collapse; font-size: 14px; }
    th, td { text-align: right; padding: 1px 10px 1px 0; font-weight: 400; }
    summary { cursor: pointer; color: var(--soft); }
    .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  `; // biome-ignore format: a stylesheet

  #kinds: KindView[] = [];
  #maps = new Map<string, Float32Array>();
  #scene: Scene | undefined;
  #watch: ResizeObserver | undefined;
  #loaded = "";

  constructor() {
    super();
    this.layer = 0;
    this.head = 0;
    this.view = "map";
    this.kind = "";
    this.query = -1;
    this.key = -1;
    this.theme = "";
    this.controls = false;
    this.room = 560;
    this.trouble = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#watch = new ResizeObserver(([e]) => {
      const width = Math.floor(e!.contentRect.width);
      if (width > 0 && width !== this.room) this.room = width;
    });
    this.#watch.observe(this);
    void this.#load();
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch?.disconnect();
  }

  /** Shows a trace that is in memory. */
  show(trace: Trace): void {
    this.#kinds = describeKinds(trace);
    this.#maps.clear();
    this.trouble = "";
    this.trace = trace;
    const k = this.#kind;
    this.dispatchEvent(
      new CustomEvent("attention-ready", {
        detail: { layers: k.layers, heads: k.heads, tokens: k.columns.map((t) => t.text) },
      }),
    );
  }

  async #load(): Promise<void> {
    const inline = this.querySelector('script[type="application/x-qkv-trace"]')?.textContent?.trim();
    const name = inline ? "inline" : (this.src ?? "");
    if (name === "" || name === this.#loaded) return;
    this.#loaded = name;
    try {
      let bytes: Uint8Array;
      if (inline) bytes = Uint8Array.from(atob(inline), (c) => c.charCodeAt(0));
      else {
        const response = await fetch(name);
        if (!response.ok)
          throw new Error(
            `attention-view: ${name} cannot be fetched (${response.status}). Fix: check the address in src.`,
          );
        bytes = new Uint8Array(await response.arrayBuffer());
      }
      this.show(readTrace(bytes, name));
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : String(error);
      this.dispatchEvent(new CustomEvent("attention-error", { detail: { message: this.trouble } }));
    }
  }

  get #kind(): KindView {
    return this.#kinds.find((k) => k.kind === this.kind) ?? this.#kinds[0]!;
  }
  get #mode(): Mode {
    if (this.theme === "light" || this.theme === "dark" || this.theme === "contrast") return this.theme;
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  #map(layer: number, head: number): Float32Array {
    const name = `${this.#kind.kind} ${layer} ${head}`;
    let map = this.#maps.get(name);
    if (!map) this.#maps.set(name, (map = visibleWeights(this.trace!.record(layer, this.#kind.kind), { head })));
    return map;
  }

  override render(): TemplateResult {
    if (this.trouble) return html`<p class="error" role="alert">${this.trouble}</p><slot></slot>`;
    if (!this.trace) return html`<slot></slot>`;
    const k = this.#kind;
    if (k.queries > largest || k.keys > largest)
      return html`<p>${k.queries} × ${k.keys} tokens are more than this element draws (${largest}). Open the trace in qkv explore.</p><slot></slot>`;
    const layer = k.layers.includes(this.layer) ? this.layer : k.layers[0]!;
    const head = Math.min(Math.max(0, this.head), k.heads - 1);
    this.#scene = this.#layout(k, layer, head);
    const says = `Attention of layer ${layer}, head ${head}. Arrow keys move through the cells.`;
    return html`
      ${this.controls ? html`<div class="bar">
        <label>layer <select @change=${(e: Event) => { this.layer = Number((e.target as HTMLSelectElement).value); }}>${k.layers.map((l) => html`<option value=${l} ?selected=${l === layer}>${l}</option>`)}</select></label>
        <label>head <select @change=${(e: Event) => { this.head = Number((e.target as HTMLSelectElement).value); }}>${[...Array(k.heads).keys()].map((h) => html`<option value=${h} ?selected=${h === head}>${h}</option>`)}</select></label>
        <label>as <select @change=${(e: Event) => { this.view = (e.target as HTMLSelectElement).value; }}>${["map", "lines", "arcs"].map((v) => html`<option value=${v} ?selected=${v === this.view}>${v}</option>`)}</select></label>
      </div>` : nothing}
      <div class="frame"><canvas tabindex="0" role="application" aria-roledescription="attention picture" aria-label=${says} @pointermove=${this.#move} @pointerleave=${() => { this.at = undefined; }} @pointerdown=${this.#choose} @keydown=${this.#walk}></canvas></div>
      <p class="read" aria-live="polite">${this.#reading(k, layer, head)}</p>
      ${this.controls ? this.#table(k, layer, head) : nothing}`; // biome-ignore format: one template
  }

  #layout(k: KindView, layer: number, head: number): Scene {
    const context = document.createElement("canvas").getContext("2d");
    const measure = (text: string, size: number): number => {
      if (!context) return text.length * size * 0.55;
      context.font = `${size}px ${font}`;
      return context.measureText(text).width;
    };
    const rows = k.rows.map(tokenLabel);
    const columns = k.columns.map(tokenLabel);
    const values = this.#map(layer, head);
    const says = `Attention of layer ${layer}, head ${head}.`;
    const room = Math.max(240, this.room);
    if (this.view === "lines")
      return linesScene({
        rows,
        columns,
        values,
        heads: [0],
        least: 0.04,
        width: room,
        measure,
        says,
        query: this.at?.query ?? this.query,
      });
    if (this.view === "arcs") {
      const [looked, looks] = [k.columns, k.rows].map((t) => passageOf(t, t.map((_, n) => [n, n + 1]))) as [Passage, Passage]; // biome-ignore format: two sides
      const asked = this.at?.query ?? (this.query < 0 ? k.queries - 1 : this.query);
      const texts = k.kind === "cross" || k.queries !== k.keys ? [looked, looks] : [looked];
      return arcsScene({ texts, values, head, asked, reverse: false, least: 0.04, down: false, width: room, measure, says }); // biome-ignore format: one call
    }
    return heatmapScene({
      rows,
      columns,
      width: room,
      height: Math.max(320, room),
      camera: null,
      measure,
      says,
      cells: [{ rows: k.queries, columns: k.keys, values, row0: 0, column0: 0, step: 1 }],
    });
  }

  protected override updated(changed: Map<string, unknown>): void {
    if (changed.has("src")) void this.#load();
    const canvas = this.renderRoot.querySelector("canvas");
    const scene = this.#scene;
    const palette = colours[this.#mode];
    for (const [name, value] of Object.entries(palette)) this.style.setProperty(`--${name}`, value);
    if (!canvas || !scene) return;
    const ratio = Math.min(3, globalThis.devicePixelRatio || 1);
    canvas.width = Math.round(scene.width * ratio);
    canvas.height = Math.round(scene.height * ratio);
    canvas.style.width = `${scene.width}px`;
    canvas.style.height = `${scene.height}px`;
    const g = canvas.getContext("2d");
    if (!g) return;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    const cursor = this.at ?? {
      ...(this.query >= 0 && { query: this.query }),
      ...(this.key >= 0 && { key: this.key }),
    };
    const look: Look = {
      mode: this.#mode,
      ramp: rampOf("ink", this.#mode),
      transform: "linear",
      font,
      ...(palette as unknown as Pick<Look, "ink" | "soft" | "query" | "key" | "surface" | "hatch">),
      cursor,
      numbers: true,
    };
    drawScene(g, scene, look);
  }

  #cell(): { query: number; key: number } | undefined {
    const query = this.at?.query ?? this.query;
    const key = this.at?.key ?? this.key;
    const k = this.#kind;
    return query >= 0 && key >= 0 && query < k.queries && key < k.keys ? { query, key } : undefined;
  }

  #reading(k: KindView, layer: number, head: number): TemplateResult | typeof nothing {
    const cell = this.#cell();
    if (!cell) return nothing;
    const weight = this.#map(layer, head)[cell.query * k.keys + cell.key]!;
    return html`<bdi class="q">${tokenLabel(k.rows[cell.query]!)}</bdi> ${Number.isNaN(weight) ? "may not look at" : "looks at"} <bdi class="k">${tokenLabel(k.columns[cell.key]!)}</bdi> ${Number.isNaN(weight) ? nothing : html`<b>${weightText(weight)}</b>`}`;
  }

  #table(k: KindView, layer: number, head: number): TemplateResult {
    const query = Math.min(Math.max(0, this.query), k.queries - 1);
    const row = this.#map(layer, head).subarray(query * k.keys, (query + 1) * k.keys);
    const keys = [...row.keys()].filter((j) => row[j]! > 0).sort((a, b) => row[b]! - row[a]!).slice(0, 8); // biome-ignore format: one list
    return html`<details><summary>as a table</summary><table><caption>Strongest keys of “${tokenLabel(k.rows[query]!)}”</caption><thead><tr><th scope="col">key</th><th scope="col">position</th><th scope="col">weight</th></tr></thead><tbody>${keys.map((j) => html`<tr><th scope="row"><bdi>${tokenLabel(k.columns[j]!)}</bdi></th><td>${j}</td><td>${weightText(row[j]!)}</td></tr>`)}</tbody></table></details>`;
  }

  #hit(event: PointerEvent): { query?: number; key?: number } | undefined {
    const box = (event.target as Element).getBoundingClientRect();
    return this.#scene && hit(this.#scene, event.clientX - box.left, event.clientY - box.top);
  }
  #move = (event: PointerEvent): void => {
    this.at = this.#hit(event);
  };
  #choose = (event: PointerEvent): void => {
    const at = this.#hit(event);
    if (at) this.#select(at.query ?? this.query, at.key ?? this.key);
  };
  #walk = (event: KeyboardEvent): void => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const k = this.#kind;
    const clamp = (x: number, n: number): number => Math.min(n - 1, Math.max(0, x));
    this.#select(clamp(Math.max(0, this.query) + step[0]!, k.queries), clamp(Math.max(0, this.key) + step[1]!, k.keys));
  };
  #select(query: number, key: number): void {
    this.query = query;
    this.key = key;
    const k = this.#kind;
    const layer = k.layers.includes(this.layer) ? this.layer : k.layers[0]!;
    const weight =
      query >= 0 && key >= 0 ? this.#map(layer, Math.min(this.head, k.heads - 1))[query * k.keys + key]! : Number.NaN;
    this.dispatchEvent(new CustomEvent("attention-select", { bubbles: true, composed: true, detail: { layer, head: this.head, query, key, weight, tokens: [k.rows[query]?.text, k.columns[key]?.text] } })); // biome-ignore format: one event
  }
}

if (!customElements.get("attention-view")) customElements.define("attention-view", AttentionView);
