/** @file Two of anything side by side: heads, texts, models, before and after changes; and their signed difference. */
import { html, nothing, type TemplateResult } from "lit";
import type { KindView, LayerMaps, RunView } from "../engine/protocol.js";
import { alignTokens, difference } from "../scene/align.js";
import { tokenLabel, weightText } from "../scene/tokens.js";
import { headOf, layerOf } from "../state/actions.js";
import { numberWithin } from "../state/choice.js";
import { define, View } from "./base.js";
import "./plain-map.js";
import { failure, waiting } from "./waiting.js";

/** Pixels a cell at least: longer texts scroll, all three maps together. */
const smallest = 4;
const signed = (x: number): string => x.toFixed(4).replace("-", "−");
const filter = { hideSpecial: false, hideFirst: false, renormalise: false, words: false };

class CompareView extends View {
  static override properties = { at: { state: true } };
  /** The hovered cell of the difference. */
  declare at: { query: number; key: number } | undefined;

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    if (k.queries * k.keys > 2 ** 17)
      return html`<p class="empty">Comparing shows up to ${Math.floor(Math.sqrt(2 ** 17))} tokens; this text has ${k.queries}.</p>`;
    const c = store.choice.value;
    const x = c.extra;
    const what = x["with"] ?? "head";
    const set =
      (name: string) =>
      (e: Event): void =>
        store.change({ extra: { ...x, [name]: (e.target as HTMLInputElement).value } });
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const otherLayer = Math.round(numberWithin(x["layerB"], k.layers.at(-1)!, k.layers[0]!, k.layers.at(-1)!));
    const otherHead = Math.round(numberWithin(x["headB"], 0, 0, k.heads - 1));
    const models = store.catalog.value.state === "ready" ? store.catalog.value.value : [];
    const modelB = x["modelB"] ?? run.model.id;
    const textB = x["textB"] ?? run.text;
    return html`
      <div class="tools">
        <label>compare with <select id="with" @change=${set("with")}>${(
          [
            ["head", "another head"],
            ["text", "another text"],
            ["model", "another model"],
            ["before", "the model without changes"],
          ] as const
        ).map(([id, name]) => html`<option value=${id} ?selected=${id === what}>${name}</option>`)}</select></label>
        ${what === "model" ? html`<label>model <select id="modelB" @change=${set("modelB")}>${models.map((m) => html`<option value=${m.id} ?selected=${m.id === modelB}>${m.name}</option>`)}</select></label>` : nothing}
        ${what === "head" || what === "model" ? html`<label>layer <input id="layerB" type="number" min="0" max=${k.layers.at(-1)!} .value=${String(otherLayer)} @change=${set("layerB")} /></label><label>head <input id="headB" type="number" min="0" max=${k.heads - 1} .value=${String(otherHead)} @change=${set("headB")} /></label>` : nothing}
        ${what === "text" ? html`<label class="grow">text <input id="textB" type="text" .value=${textB} @change=${set("textB")} /></label>` : nothing}
      </div>
      ${this.#sides(run, k, what, layer, head, otherLayer, otherHead, modelB, textB)}`;
  }

  #sides(
    run: RunView,
    k: KindView,
    what: string,
    layer: number,
    head: number,
    layerB: number,
    headB: number,
    modelB: string,
    textB: string,
  ): TemplateResult {
    const { store } = this;
    const other =
      what === "head"
        ? ({ state: "ready", value: run } as const)
        : store.ask(`compare ${what} ${modelB} ${textB} ${run.model.id} ${run.text}`, () =>
            store.engine.run({ model: what === "model" ? modelB : run.model.id, text: what === "text" ? textB : run.text, edits: what === "text" ? run.edits : [] }),
          ).value; // biome-ignore format: one question
    if (other.state === "failed") return failure(other.message);
    if (other.state !== "ready") return waiting(other, "Reading the other side");
    const kB = other.value.kinds.find((y) => y.kind === k.kind) ?? other.value.kinds[0]!;
    const sameHead = what === "text" || what === "before";
    const b = {
      layer: Math.min(sameHead ? layer : layerB, kB.layers.at(-1)!),
      head: Math.min(sameHead ? head : headB, kB.heads - 1),
    };
    const mapsA = store.ask(`cmaps ${run.id} ${k.kind} ${layer}`, () =>
      store.engine.layerMaps({ run: run.id, kind: k.kind, layer, filter }),
    ).value;
    const mapsB = store.ask(`cmaps ${other.value.id} ${kB.kind} ${b.layer}`, () =>
      store.engine.layerMaps({ run: other.value.id, kind: kB.kind, layer: b.layer, filter }),
    ).value;
    if (mapsA.state !== "ready") return waiting(mapsA, "Computing the layer");
    if (mapsB.state !== "ready") return waiting(mapsB, "Computing the other layer");
    const A = headMap(mapsA.value, head);
    const B = headMap(mapsB.value, b.head);
    const names = (tokens: KindView["rows"]): string[] => tokens.map(tokenLabel);
    const rows = alignTokens(names(k.rows), names(kB.rows));
    const columns = alignTokens(names(k.columns), names(kB.columns));
    const diff = difference({ values: A, columns: k.keys }, { values: B, columns: kB.keys }, rows, columns);
    let [largest, total, cells] = [0, 0, 0];
    for (const d of diff) if (!Number.isNaN(d)) { largest = Math.max(largest, Math.abs(d)); total += Math.abs(d); cells++; } // biome-ignore format: one line
    const label = (r: RunView, at: { layer: number; head: number }): string =>
      `${r.model.name}, ${at.layer}.${at.head}${r.edits.length ? `, ${r.edits.length} changes` : ""}`;
    const find = (pairs: readonly (readonly [number, number])[], n: 0 | 1, token: number | undefined): number => pairs.findIndex((p) => p[n] === token); // biome-ignore format: one line
    const c = store.choice.value;
    const at = this.at ?? { query: find(rows, 0, c.query), key: find(columns, 0, c.key) };
    const [row, column] = [rows[at.query], columns[at.key]];
    const here = row && column && { a: [row[0], column[0]] as const, b: [row[1], column[1]] as const };
    const side = (n: 0 | 1, m: Float32Array, kv: KindView): TemplateResult => {
      // A cell of one side is the cell of the tokens aligned with it, on the other and in the difference.
      const aligned = (e: CustomEvent<{ query: number; key: number } | undefined>): void => {
        const [query, key] = [find(rows, n, e.detail?.query), find(columns, n, e.detail?.key)];
        this.at = query >= 0 && key >= 0 ? { query, key } : undefined;
      };
      const cell = here && (n === 0 ? here.a : here.b);
      return html`<qkv-plain-map .map=${{ rows: names(kv.rows), columns: names(kv.columns), values: m, says: `Map ${"AB"[n]}.`, height: 340, cell: smallest, notes: kv.causal ? ["hatched: the future"] : [], ...(cell && { cursor: { query: cell[0], key: cell[1] } }) }} @hover-cell=${aligned} @choose-cell=${aligned}></qkv-plain-map>`;
    };
    const read = here && { a: A[here.a[0] * k.keys + here.a[1]]!, b: B[here.b[0] * kB.keys + here.b[1]]! };
    const set = (e: CustomEvent<{ query: number; key: number } | undefined>): void => { this.at = e.detail; }; // biome-ignore format: one line
    return html`
      <p class="lead" data-testid="difference">${largest === 0 ? "They are exactly equal." : html`Largest difference <span class="figure">${weightText(largest)}</span>, mean ${weightText(total / Math.max(1, cells))}.`}${rows.length < k.queries || rows.length < kB.queries ? html` <span class="soft">${rows.length} tokens are the same in both and are compared.</span>` : nothing}</p>
      <p data-testid="pair">${read ? html`<bdi class="query-word">${tokenLabel(k.rows[here.a[0]]!)}</bdi> looks at <bdi class="key-word">${tokenLabel(k.columns[here.a[1]]!)}</bdi>: A ${weightText(read.a)}, B ${weightText(read.b)}${Number.isNaN(read.a - read.b) ? "" : html`, A − B <b>${signed(read.a - read.b)}</b>`}` : html`<span class="soft">Point at a cell, or walk to one with the arrow keys: the same pair is framed in all three.</span>`}</p>
      <div @scroll=${{ handleEvent: this.#linked, capture: true }}>
      <div class="two-up maps"><div><h2 class="small-head">A: ${label(run, { layer, head })}</h2>${side(0, A, k)}</div><div><h2 class="small-head">B: ${label(other.value, b)}</h2>${side(1, B, kB)}</div></div>
      <h2 class="small-head">A − B: orange where A is larger, blue where B is</h2>
      ${rows.length === 0 ? html`<p class="soft">The two texts have no token in common.</p>` : html`<qkv-plain-map .map=${{ rows: rows.map(([i]) => tokenLabel(k.rows[i]!)), columns: columns.map(([j]) => tokenLabel(k.columns[j]!)), values: diff, signed: true, says: "The signed difference.", cell: smallest, cursor: here && at }} @hover-cell=${set} @choose-cell=${set}></qkv-plain-map>`}</div>`; // biome-ignore format: one template
  }

  #put = new WeakMap<Element, string>();
  /** The three frames scroll as one, each by its own share. */
  #linked = (event: Event): void => {
    const from = event.target as HTMLElement;
    const place = (f: HTMLElement): string => `${Math.round(f.scrollLeft)} ${Math.round(f.scrollTop)}`;
    if (this.#put.get(from) === place(from)) return; // it was led here
    const share = (at: number, all: number, seen: number): number => at / Math.max(1, all - seen);
    for (const f of this.querySelectorAll<HTMLElement>(".frame")) {
      if (f === from) continue;
      f.scrollLeft = share(from.scrollLeft, from.scrollWidth, from.clientWidth) * (f.scrollWidth - f.clientWidth);
      f.scrollTop = share(from.scrollTop, from.scrollHeight, from.clientHeight) * (f.scrollHeight - f.clientHeight);
      this.#put.set(f, place(f));
    }
  };
}

function headMap(maps: LayerMaps, head: number): Float32Array {
  const size = maps.rows.length * maps.columns.length;
  return maps.values.subarray(head * size, (head + 1) * size);
}
define("qkv-compare-view", CompareView);
