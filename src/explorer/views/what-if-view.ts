/** @file What if? Change a head, a layer, the mask, the scale; see what the model would say instead; take it back exactly. */
import "../app/styles/grids.css";
import { html, nothing, type TemplateResult } from "lit";
import { colourAt, css, inkOn, rampOf } from "../draw/colour.js";
import type { Ablation, Edit, KindView, LayerMaps, NextChange, RunView, SweepResult } from "../engine/protocol.js";
import { groupLabel, percent, tokenLabel, visible } from "../scene/tokens.js";
import { chooseHead, headOf, layerOf } from "../state/actions.js";
import { define, View } from "./base.js";
import { framed } from "./framed.js";
import { guessBars } from "./guess-bars.js";
import "./plain-map.js";
import { closed, openModel } from "./closed.js";
import { linearLegend } from "./legend.js";
import { Stoppable } from "./stoppable.js";
import { failure, waiting } from "./waiting.js";

const masks = {
  "": "as the model has it",
  "self-only": "only itself",
  "first-only": "only the first token",
  "no-first": "all but the first token",
  uniform: "uniform over what it may see",
  causal: "only the past",
  none: "the future too",
} as const;

/** The five ways of taking a head out. */
const forms: Record<Ablation, string> = {
  zero: "silence",
  mean: "its mean over tokens",
  uniform: "a uniform look at all it may see",
  "self-only": "a look at itself only",
  "first-only": "a look at the first token only",
};

export function editWords(e: Edit): string {
  const who = `${e.layer < 0 ? "every layer" : `layer ${e.layer}`}, ${e.head < 0 ? "every head" : `head ${e.head}`}`;
  const what = [
    e.output === "zero"
      ? "silenced"
      : e.output === "mean"
        ? "gives its mean over tokens"
        : e.output !== undefined
          ? `output × ${e.output}`
          : "",
    e.scaleFactor !== undefined ? `scale × ${e.scaleFactor}` : "",
    e.softcap !== undefined ? `soft cap ${e.softcap}` : "",
    e.mask ? `sees ${masks[e.mask]}` : "",
    e.patch !== undefined ? `output taken from “${e.patch.slice(0, 40)}”` : "",
    e.paint ? e.paint.map(([q, k, w]) => `weight ${q} → ${k} set to ${w}`).join(", ") : "",
  ].filter(Boolean);
  const rows = e.rows ? ` for tokens ${e.rows[0]} to ${e.rows[1] - 1}` : "";
  return `${who}${rows}: ${what.join(", ")}`;
}

class WhatIfView extends View {
  static override properties = {
    scope: { state: true },
    sweep: { state: true },
    measure: { state: true },
    rows: { state: true },
    form: { state: true },
    tool: { state: true },
  };
  declare scope: "head" | "layer" | "all";
  declare sweep: { run: number; kind: string; results: SweepResult[] } | undefined;
  declare measure: "kl" | "loss" | "target" | "moved";
  /** Which tokens that look are changed: all, the chosen one, those from it on. */
  declare rows: "all" | "one" | "from";
  declare form: Ablation;
  /** What dragging over the map does. */
  declare tool: "choose" | "weight" | "mask";
  readonly #work = new Stoppable(this, (what) => `The sweep stopped: ${what} Nothing else is lost; start it again.`);

  constructor() {
    super();
    this.scope = "head";
    this.measure = "kl";
    this.rows = "all";
    this.form = "zero";
    this.tool = "choose";
  }

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const shut = closed(run.model);
    if (shut) return html`<p class="empty">${shut} It can be looked at, not changed. ${openModel}</p>`;
    const c = store.choice.value;
    const failed = store.run.value.state === "failed" ? store.run.value.message : "";
    return html`
      <div class="two-up wide-left">
        <div>
          <div class="segments" role="group" aria-label="What is changed">
            ${(
              [
                ["head", `layer ${layerOf(store, k)}, head ${headOf(store, k)}`],
                ["layer", `all of layer ${layerOf(store, k)}`],
                ["all", "every head"],
              ] as const
            ).map(
              ([id, name]) =>
                html`<button aria-pressed=${this.scope === id} @click=${() => {
                  this.scope = id;
                }}>${name}</button>`,
            )}
          </div>
          ${this.#rowChoice(k)}
          ${this.#controls(run, k)}
          ${failed ? failure(failed) : nothing}
        </div>
        <div aria-live="polite">${this.#effect(run)}</div>
      </div>
      ${this.#paint(k)}
      <section class="block" aria-label="Changes in force">
        <h2 class="small-head">Changes in force</h2>
        ${
          c.edits.length === 0
            ? html`<p class="soft">None: this is the model as it was trained.</p>`
            : html`<ol class="edits">${c.edits.map((e, n) => html`<li>${editWords(e)} <button class="quiet" aria-label=${`take back: ${editWords(e)}`} @click=${() => store.change({ edits: c.edits.filter((_, i) => i !== n) }, "push")}>take back</button></li>`)}</ol>
          <p><button @click=${() => store.change({ edits: c.edits.slice(0, -1) }, "push")}>Undo</button> <button @click=${() => store.change({ edits: [] }, "push")}>Original</button></p>`
        }
      </section>
      ${this.#sweep(run, k)}`;
  }

  #rowChoice(k: KindView): TemplateResult {
    const { query } = this.store.choice.value;
    const at = query >= 0 ? Math.min(query, k.queries - 1) : k.queries - 1;
    const label = tokenLabel(k.rows[at]!);
    return html`<label class="knob">for <select id="knob-rows" @change=${(e: Event) => { this.rows = (e.target as HTMLSelectElement).value as "all"; }}>${([["all", "every token that looks"], ["one", `only “${label}” (${at})`], ["from", `“${label}” (${at}) and later`]] as const).map(([id, name]) => html`<option value=${id} ?selected=${id === this.rows}>${name}</option>`)}</select></label>`; // biome-ignore format: one template
  }

  get #rowRange(): [number, number] | undefined {
    const k = this.store.kind.peek()!;
    const { query } = this.store.choice.peek();
    const at = query >= 0 ? Math.min(query, k.queries - 1) : k.queries - 1;
    return this.rows === "all" ? undefined : [at, this.rows === "one" ? at + 1 : k.queries];
  }

  get #target(): Pick<Edit, "layer" | "head" | "kind"> {
    const k = this.store.kind.peek()!;
    const [layer, head] = [layerOf(this.store, k), headOf(this.store, k)];
    if (this.scope === "all") return { kind: k.kind, layer: -1, head: -1 };
    return { kind: k.kind, layer, head: this.scope === "head" ? head : -1 };
  }

  /** Adds a change, in place of an earlier one of the same kind for the same heads. */
  #add(change: Partial<Edit>): void {
    const { store } = this;
    const at = this.#target;
    const rows = "scaleFactor" in change || "softcap" in change ? undefined : this.#rowRange;
    const same = (e: Edit): boolean =>
      e.layer === at.layer &&
      e.head === at.head &&
      String(e.rows) === String(rows) &&
      Object.keys(change).some((key) => key in e);
    store.change(
      {
        edits: [
          ...store.choice.peek().edits.filter((e) => !same(e)),
          { ...at, ...(rows && { rows }), ...change } as Edit,
        ],
      },
      "push",
    );
  }
  #drop(key: keyof Edit): void {
    const at = this.#target;
    this.store.change(
      {
        edits: this.store.choice.peek().edits.filter((e) => !(e.layer === at.layer && e.head === at.head && key in e)),
      },
      "push",
    );
  }
  #now(key: keyof Edit): unknown {
    const at = this.#target;
    return this.store.choice.value.edits.find((e) => e.layer === at.layer && e.head === at.head && key in e)?.[key];
  }

  #controls(_run: RunView, _k: KindView): TemplateResult {
    const output = this.#now("output");
    const strength = output === "zero" ? 0 : typeof output === "number" ? output : 1;
    const scale = (this.#now("scaleFactor") as number | undefined) ?? 1;
    const cap = (this.#now("softcap") as number | undefined) ?? 0;
    const mask = (this.#now("mask") as Edit["mask"] | undefined) ?? "";
    return html`<div class="knobs">
      <div class="chips"><button aria-pressed=${output === "zero"} @click=${() => (output === "zero" ? this.#drop("output") : this.#add({ output: "zero" }))}>Silence</button><button aria-pressed=${output === "mean"} @click=${() => (output === "mean" ? this.#drop("output") : this.#add({ output: "mean" }))}>Mean over tokens</button></div>
      <label class="knob">strength <input id="knob-output" type="range" min="0" max="2" step="0.05" .value=${String(strength)} @change=${(e: Event) => this.#number(e, 1, "output")} /><output>× ${strength}</output></label>
      <label class="knob">scale 1/√d <input id="knob-scale" type="range" min="0" max="6" step="0.1" .value=${String(scale)} @change=${(e: Event) => this.#number(e, 1, "scaleFactor")} /><output>× ${scale}</output></label>
      <label class="knob">soft cap <input id="knob-cap" type="range" min="0" max="30" step="1" .value=${String(cap)} @change=${(e: Event) => this.#number(e, 0, "softcap")} /><output>${cap === 0 ? "none" : cap}</output></label>
      <form class="knob" @submit=${(e: Event) => { e.preventDefault(); const text = (e.target as HTMLFormElement).querySelector("input")!.value.trim(); if (text) this.#add({ patch: text }); else this.#drop("patch"); }}><label for="knob-patch">patch from</label> <input id="knob-patch" type="text" .value=${(this.#now("patch") as string | undefined) ?? ""} placeholder="another text, whose output it takes" /><button>Patch</button></form>
      <label class="knob">it sees <select id="knob-mask" @change=${(e: Event) => { const m = (e.target as HTMLSelectElement).value as Edit["mask"]; if (m) this.#add({ mask: m }); else this.#drop("mask"); }}>${Object.entries(masks).map(([id, name]) => html`<option value=${id} ?selected=${id === mask}>${name}</option>`)}</select></label>
    </div>`; // biome-ignore format: one template
  }

  #number(event: Event, neutral: number, key: "output" | "scaleFactor" | "softcap"): void {
    const value = Number((event.target as HTMLInputElement).value);
    if (value === neutral) this.#drop(key);
    else this.#add({ [key]: value });
  }

  /** The run without changes, asked once. */
  #base(run: RunView): { id: number } | undefined {
    const { store } = this;
    const c = store.choice.value;
    if (c.edits.length === 0) return { id: run.id };
    const base = store.ask(`base ${run.model.id} ${c.text}`, () =>
      store.engine.run({ model: run.model.id, text: c.text, edits: [] }),
    ).value;
    return base.state === "ready" ? base.value : undefined;
  }

  #lastEffect: TemplateResult | undefined;
  #effect(run: RunView): TemplateResult {
    const { store } = this;
    // While a change is computed the last answer stays: nothing jumps under a hand that drags.
    const last = this.#lastEffect ?? html`<p class="soft">…</p>`;
    const base = this.#base(run);
    if (!base) return last;
    const { query } = store.choice.value;
    const position = run.says !== "next" && query >= 0 && store.kind.value?.kind !== "encoder" ? query : undefined;
    const change = store.ask(`change ${base.id} ${run.id} ${position}`, () =>
      store.engine.compareNext({ run: base.id, with: run.id, ...(position !== undefined && { position }) }),
    ).value;
    if (change.state === "failed") return failure(change.message);
    if (change.state !== "ready") return last;
    const v: NextChange = change.value;
    const edited = store.choice.value.edits.length > 0;
    const token = tokenLabel(run.kinds.find((x) => x.kind !== "encoder")!.rows[v.position]!);
    const title = { next: "The next token", word: html`The word at <bdi>${token}</bdi>`, label: html`The label of <bdi>${token}</bdi>`, class: "The class", none: "" }[v.of]; // biome-ignore format: one table
    this.#lastEffect = html`${
      v.of === "none"
        ? nothing
        : html`<h2 class="small-head">${title}</h2>
      ${guessBars(v.before.slice(0, 8), edited ? v.after : undefined, v.of === "next" ? "Next tokens" : "Guesses")}`
    }
      ${v.of === "next" || !v.moved ? nothing : this.#vectors(v.moved, run)}
      ${
        v.of === "none"
          ? nothing
          : html`<dl class="facts">
        <div><dt>KL from the original</dt><dd data-testid="kl">${v.kl.toFixed(4)} nats</dd></div>
        ${v.lossBefore === null ? nothing : html`<div><dt>loss on this text</dt><dd>${v.lossBefore.toFixed(4)}${edited ? html` → <b>${v.lossAfter!.toFixed(4)}</b>` : ""} nats a token</dd></div>`}
        ${v.target ? html`<div><dt>logit of “${visible(v.target.text)}”</dt><dd>${v.target.before.toFixed(3)}${edited ? html` → <b>${v.target.after.toFixed(3)}</b>` : ""}</dd></div>` : nothing}
      </dl>`
      }`;
    return this.#lastEffect;
  }

  /** What became of the last vectors, for a model that is asked for them. */
  #vectors({ tokens, mean, cosine }: NonNullable<NextChange["moved"]>, run: RunView): TemplateResult {
    const { rows } = run.kinds.find((x) => x.kind !== "encoder")!;
    const most = [...tokens.entries()].sort(([, a], [, b]) => b - a).slice(0, 5).filter(([, x]) => x > 0); // biome-ignore format: one list
    return html`<h2 class="small-head">The last vectors</h2>
      <dl class="facts"><div><dt>mean over tokens moved by</dt><dd data-testid="moved">${percent(mean)} of its length</dd></div>
        <div><dt>cosine with the original</dt><dd>${cosine.toFixed(5)}</dd></div>
        ${most.map(([i, x]) => html`<div><dt>${i}: <bdi>${tokenLabel(rows[i]!)}</bdi></dt><dd>${percent(x)}</dd></div>`)}</dl>`;
  }

  #dragged = { weight: 0 };
  #had: { here: string; value: LayerMaps } | undefined;

  /** Paint one weight: choose a cell, set what it should be. */
  #paint(k: KindView): TemplateResult {
    const { store } = this;
    const asked = store.maps();
    const here = `${store.shown.value?.text} ${k.kind} ${layerOf(store, k)}`;
    if (asked?.state === "ready") this.#had = { here, value: asked.value };
    // While an edit is computed the picture stays: a drag goes on over it.
    const maps = this.#had?.here === here ? { state: "ready" as const, value: this.#had.value } : asked;
    const c = store.choice.value;
    if (maps?.state !== "ready" || c.filter.words || c.filter.hideFirst || c.filter.hideSpecial) return html``;
    const [R, C] = [maps.value.rows.length, maps.value.columns.length];
    const head = headOf(store, k);
    const values = maps.value.values.subarray(head * R * C, (head + 1) * R * C);
    const cell = c.query >= 0 && c.key >= 0 ? (values[c.query * C + c.key] ?? Number.NaN) : Number.NaN; // a link may point past the text
    const layer = layerOf(store, k);
    const put = (query: number, key: number, weight: number, step: "push" | "replace" = "push"): void => {
      if (!(values[query * C + key]! >= 0)) return; // may not attend: nothing to paint
      const edits = store.choice.peek().edits;
      const at = { kind: k.kind, layer, head };
      const had = edits.find((x) => x.paint && x.layer === layer && x.head === head);
      const paint = [
        ...(had?.paint ?? []).filter(([q, j]) => q !== query || j !== key),
        [query, key, weight] as [number, number, number],
      ];
      store.change({ edits: [...edits.filter((x) => x !== had), { ...at, paint }] }, step);
    };
    const set = (e: Event): void => put(c.query, c.key, Number((e.target as HTMLInputElement).value));
    const drag = (
      e: CustomEvent<{ query: number; key: number; up: number; first: boolean; from: { query: number; key: number } }>,
    ): void => {
      const { query, key, up, first, from } = e.detail;
      if (this.tool === "mask") put(query, key, 0, first ? "push" : "replace");
      if (this.tool !== "weight") return;
      if (first) this.#dragged = { weight: values[from.query * C + from.key]! };
      else
        put(
          from.query,
          from.key,
          Math.min(1, Math.max(0, Math.round(100 * (this.#dragged.weight + up / 160)) / 100)),
          "replace",
        );
    };
    return html`<section class="block"><h2 class="small-head">Paint a weight of layer ${layerOf(store, k)}, head ${head}</h2>
      <div class="segments" role="group" aria-label="What dragging does">${(
        [
          ["choose", "choose a cell"],
          ["weight", "drag a weight up or down"],
          ["mask", "rub out"],
        ] as const
      ).map(
        ([id, name]) =>
          html`<button aria-pressed=${this.tool === id} @click=${() => {
            this.tool = id;
          }}>${name}</button>`,
      )}</div>
      <p class="soft small">${{ choose: "Choose a cell, then set its weight; the rest of its row shares what is left.", weight: "Press on a cell and drag: upwards it looks more there. The rest of the row shares what is left.", mask: "Drag over cells that may not be seen; the rest of each row shares their weight." }[this.tool]}</p>
      <qkv-plain-map ?dragging=${this.tool !== "choose"} @drag-cell=${drag} .map=${{ rows: maps.value.rows.map((g) => groupLabel(k.rows, g)), columns: maps.value.columns.map((g) => groupLabel(k.columns, g)), values, says: "The head's map, to be painted.", cursor: { query: c.query, key: c.key }, height: 420 }} @choose-cell=${(e: CustomEvent<{ query: number; key: number }>) => store.change(e.detail)}></qkv-plain-map>
      ${Number.isNaN(cell) ? html`<p class="soft">${c.query >= 0 && c.key >= 0 ? "This pair may not attend." : "No cell chosen."}</p>` : html`<label class="knob"><span><bdi class="query-word">${tokenLabel(k.rows[c.query]!)}</bdi> → <bdi class="key-word">${tokenLabel(k.columns[c.key]!)}</bdi></span> <input id="paint" type="range" min="0" max="1" step="0.01" .value=${String(cell)} @change=${set} /><output>${cell.toFixed(4)}</output></label>`}
    </section>`;
  }

  #sweep(run: RunView, k: KindView): TemplateResult {
    const { busy, progress } = this.#work;
    return html`<section class="block"><h2 class="small-head">Which head matters for this text?</h2>
      <p class="soft">Each head is taken out in turn, everything else left alone.</p><p class="tools"><label>taken out by <select id="sweep-form" @change=${(
        e: Event,
      ) => {
        this.form = (e.target as HTMLSelectElement).value as Ablation;
      }}>${Object.entries(forms).map(([id, name]) => html`<option value=${id} ?selected=${id === this.form}>${name}</option>`)}</select></label>
      ${busy ? html`${this.#work.bar("heads tried")} ${progress ? `${progress.done} of ${progress.total}` : ""} ${this.#work.button}` : html`<button id="sweep" ?disabled=${this.store.run.value.state !== "ready"} @click=${() => this.#start(run)}>Silence every head in turn</button>`}</p>
      ${this.#work.alarm}
      ${this.sweep?.kind === k.kind ? this.#sweepGrid(this.sweep.results, k, run) : nothing}</section>`;
  }

  async #start(run: RunView): Promise<void> {
    const { kind } = this.store.kind.peek()!;
    await this.#work.start(async (options) => {
      const results = await this.store.engine.sweep({ run: run.id, kind, output: this.form }, options);
      this.sweep = { run: run.id, kind, results };
      if (run.says === "none") this.measure = "moved";
      else if (run.says !== "next" && this.measure === "loss") this.measure = "kl";
      const by = run.says === "none" ? "moved" : "kl";
      const top = [...results].sort((a, b) => b[by] - a[by])[0];
      if (top) this.store.spoken.value = `Sweep done. Most changes without layer ${top.layer} head ${top.head}.`;
    });
  }

  #sweepGrid(results: SweepResult[], k: KindView, { says }: RunView): TemplateResult {
    const of = (r: SweepResult): number => (this.measure === "target" ? -r.target : r[this.measure]);
    const most = Math.max(1e-9, ...results.map((r) => Math.abs(of(r))));
    const ramp = rampOf(this.store.choice.value.scale, this.store.mode.value);
    const names = {
      ...(says !== "none" && { kl: `KL of ${{ next: "the next token", word: "the word at its token", label: "its token’s label", class: "the class" }[says]}, nats` }),
      ...(says === "next" && { loss: "loss rises by, nats a token" }),
      ...(says !== "none" && { target: "logit of the likeliest falls by" }),
      moved: "last vectors’ mean moves by, of its length",
    } as Record<WhatIfView["measure"], string>; // biome-ignore format: one table
    return html`<label>measured by <select id="sweep-measure" @change=${(e: Event) => { this.measure = (e.target as HTMLSelectElement).value as "kl"; }}>${Object.entries(names).map(([id, name]) => html`<option value=${id} ?selected=${id === this.measure}>${name}</option>`)}</select></label>
      ${framed("Effect of each head", html`<table class="score-grid"><caption>${names[this.measure]}</caption>
      <thead><tr><th scope="col"><span class="sr">layer</span></th>${[...Array(k.heads).keys()].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
      <tbody>${k.layers.map((l) => html`<tr><th scope="row">${l}</th>${results.filter((r) => r.layer === l).map((r) => { const colour = colourAt(ramp, Math.max(0, of(r)) / most); return html`<td><button class="score-cell" .style=${`background:${css(colour)};color:${inkOn(colour)}`} aria-label=${`layer ${l} head ${r.head}: ${of(r).toFixed(4)}`} @click=${() => chooseHead(this.store, l, r.head)}>${k.heads <= 16 ? of(r).toFixed(2) : nothing}</button></td>`; })}</tr>`)}</tbody></table>`)}${linearLegend(this.store, ["rows are layers, columns heads"], most)}`; // biome-ignore format: one table
  }
}
define("qkv-what-if-view", WhatIfView);
