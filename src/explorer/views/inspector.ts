/** @file The number under the cursor and where it comes from, the head's habit, the checks, the source. */
import { html, nothing, type TemplateResult } from "lit";
import type { KindView, PairView } from "../engine/protocol.js";
import { groupLabel, percent, tokenLabel, weightText } from "../scene/tokens.js";
import { cellWords, describeHead, groupAt, headOf, layerOf, leading, strongest } from "../state/actions.js";
import { define, View } from "./base.js";

const figure = (x: number): string =>
  Number.isFinite(x) ? x.toFixed(4).replace("-", "−") : x === Number.NEGATIVE_INFINITY ? "−∞" : "–";

class Inspector extends View {
  static override properties = { fresh: { state: true } };
  /** The cell that is recomputed. */
  declare fresh: string | undefined;

  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const maps = store.maps();
    if (!k || maps?.state === "loading") return html``; // the picture first
    return html`
      <section class="panel cell-panel" aria-label="The number">${maps?.state === "ready" || !maps ? this.#cell(k) : html`<p class="soft">…</p>`}</section>
      <section class="panel" aria-label="The head"><h2>Layer ${layerOf(store, k)}, head ${headOf(store, k)}</h2>${this.#habits(k)}</section>
      <section class="panel" aria-label="Checks"><h2>Checked</h2>${this.#badges(k)}</section>
      <section class="panel provenance" aria-label="Source">${this.#provenance(k)}</section>`;
  }

  /** The cell in question: hovered, chosen, or the strongest of the row in question. */
  #cellAt(k: KindView): { query: number; key: number } | undefined {
    const { store } = this;
    const focus = store.focus.value;
    const c = store.choice.value;
    const query = focus.query ?? (c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1);
    if (focus.key !== undefined) return { query, key: focus.key };
    const maps = store.maps();
    if (focus.query === undefined && c.key >= 0) return { query, key: Math.min(c.key, k.keys - 1) };
    if (maps?.state !== "ready") return c.key >= 0 ? { query, key: Math.min(c.key, k.keys - 1) } : undefined;
    const row = groupAt(maps.value.rows, query);
    return row < 0 ? undefined : { query, key: strongest(maps.value, headOf(store, k), row) };
  }

  #cell(k: KindView): TemplateResult {
    const { store } = this;
    const at = this.#cellAt(k);
    const run = store.shown.value;
    if (!at || !run) return html`<p class="soft">Point at a cell, or press an arrow key.</p>`;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const maps = store.maps();
    const words = maps?.state === "ready" ? cellWords(maps.value, k, head, at.query, at.key) : undefined;
    const asked = { run: run.id, kind: k.kind, layer, head, ...at };
    const loaded = store.ask(`pair ${JSON.stringify(asked)}`, () => store.engine.pair(asked)).value;
    const pair = loaded.state === "ready" ? loaded.value : undefined;
    const weight = words?.weight ?? (pair ? (pair.masked && !pair.given ? Number.NaN : pair.weight) : undefined);
    const q = words?.query ?? tokenLabel(k.rows[at.query]!);
    const key = words?.key ?? tokenLabel(k.columns[at.key]!);
    return html`
      <p class="sentence"><bdi class="query-word">${q}</bdi> ${weight !== undefined && Number.isNaN(weight) ? "may not look at" : "looks at"} <bdi class="key-word">${key}</bdi></p>
      <p class="big" data-testid="weight">${weight === undefined ? "…" : weightText(weight)}</p>
      <p class="soft">${words && !Number.isNaN(words.weight) ? `rank ${words.rank} of ${words.visible}` : pair && !pair.masked ? `rank ${pair.rank} of ${pair.visible}` : "not among the keys this token may see"} · tokens ${at.query} → ${at.key}</p>
      ${pair && k.hasScores ? this.#steps(pair, k) : nothing}`;
  }

  #steps(p: PairView, k: KindView): TemplateResult {
    const row = (name: string | TemplateResult, value: string, note = ""): TemplateResult =>
      html`<div><dt>${name}</dt><dd>${value}</dd>${note ? html`<dd class="note">${note}</dd>` : nothing}</div>`;
    const same = this.store.choice.value.weighted || this.store.choice.value.filter.words;
    return html`<details class="steps" open>
      <summary>How this number comes about</summary>
      <dl>
        ${row("q · k", figure(p.dot), `over ${p.q.length} dimensions`)}
        ${row("× scale", figure(p.scaled), `${figure(p.scale)}${Math.abs(p.scale - 1 / Math.sqrt(k.headDim)) < 1e-6 ? ` = 1/√${k.headDim}` : ""}`)}
        ${p.softcap === null ? nothing : row("soft cap", figure(p.capped), `c = ${p.softcap}`)}
        ${p.bias === 0 ? nothing : row("+ bias", figure(p.bias))}
        ${row(p.masked ? "mask: may not attend" : "score", figure(p.score))}
        ${row(html`e<sup>score − lse</sup>`, weightText(p.masked ? 0 : p.given ? Math.exp(p.score - p.lse) : p.weight), `lse ${figure(p.lse)}`)}
        ${p.given ? row("put in by hand", weightText(p.weight), "shown and used instead") : nothing}
      </dl>
      ${same ? html`<p class="soft">These are the steps for the two tokens at the cursor; the number above is after ${this.store.choice.value.weighted ? "weighting by values" : "merging words"}.</p>` : nothing}
      ${this.#recompute(p)}
      <button class="quiet" @click=${() => this.store.change({ view: "neuron", query: p.query, key: p.key }, "push")}>Dimension by dimension →</button>
    </details>`;
  }

  /** The number derived again from q and k alone, when asked. */
  #recompute(p: PairView): TemplateResult {
    const { store } = this;
    const run = store.shown.value!;
    const asked = {
      run: run.id,
      kind: store.kind.value!.kind,
      layer: p.layer,
      head: p.head,
      query: p.query,
      key: p.key,
    };
    const name = JSON.stringify(asked);
    if (this.fresh !== name)
      return html`<button class="quiet" @click=${() => { this.fresh = name; }}>Recompute from q and k</button> `; // biome-ignore format: one button
    const answer = store.ask(`fresh ${name}`, () => store.engine.lab("recompute", asked)).value;
    if (answer.state === "failed") return html`<p class="soft">${answer.message}</p>`;
    const r =
      answer.state === "ready" ? (answer.value as { weight: number; stored: number; given: boolean }) : undefined;
    return html`<p class="soft" data-testid="recomputed">${r?.given ? `q and k alone give ${r.weight.toFixed(6)} in float64; ${weightText(r.stored)} was put in by hand` : r ? `in float64: ${r.weight.toFixed(6)}, off by ${r.weight === r.stored ? "0" : Math.abs(r.weight - r.stored).toExponential(1)}` : "…"}</p>`;
  }

  #habits(k: KindView): TemplateResult {
    const { store } = this;
    const types = store.types();
    if (types?.state === "failed") return html`<p class="soft">${types.message}</p>`;
    if (types?.state !== "ready") return html`<p class="soft">Scoring heads…</p>`;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const scores = types.value.heads.find((h) => h.layer === layer && h.head === head)?.scores ?? {};
    const lead = leading(types.value, layer, head);
    const rows = types.value.types.filter(
      (t) => Number.isFinite(scores[t.id]) && !["inductionStrict", "inductionMass"].includes(t.id),
    );
    return html`<p>${describeHead(store, layer, head)}</p>
      <table class="scores"><caption class="sr">Scores of this head, with chance level</caption>
        <thead class="sr"><tr><th scope="col">habit</th><th scope="col">score</th><th scope="col">picture</th></tr></thead>
        <tbody>${rows.map(
          (
            t,
          ) => html`<tr class=${t.id === lead?.id ? "lead-row" : ""} title=${`${t.says}; a uniform head scores ${t.chance.toFixed(2)}`}>
          <th scope="row">${t.name}</th><td>${scores[t.id]!.toFixed(2)}</td>
          <td class="bar-cell"><span class="bar" .style=${`--share:${Math.min(1, scores[t.id]!)};--chance:${Math.min(1, t.chance)}`}><i></i><b></b></span></td></tr>`,
        )}</tbody>
      </table><p class="soft small">Mean over the text; the tick is what a uniform head (equal weight on all it sees) would score.</p>`;
  }

  #badges(k: KindView): TemplateResult {
    const { store } = this;
    const run = store.shown.value!;
    const loaded = store.askBeside(`badges ${run.id} ${k.kind}`, () =>
      store.engine.badges({ run: run.id, kind: k.kind }),
    ).value;
    if (loaded.state !== "ready")
      return html`<p class="soft">${loaded.state === "failed" ? loaded.message : "Checking every map…"}</p>`;
    return html`<ul class="badges">${loaded.value.map((b) => html`<li class=${b.ok ? "ok" : "bad"} title=${b.says}><span aria-hidden="true">${b.ok ? "✓" : "!"}</span><span class="sr">${b.ok ? "holds: " : "does not hold: "}</span><span>${b.name}<small>${b.says}</small></span></li>`)}</ul>`;
  }

  #provenance(k: KindView): TemplateResult {
    const run = this.store.shown.value!;
    const p = run.provenance;
    const parts = [
      `${k.queries} × ${k.keys} tokens`,
      `${k.layers.length} layers × ${k.heads} heads${k.keyHeads === k.heads ? "" : ` (${k.keyHeads} key heads)`}`,
      `${run.milliseconds.toFixed(0)} ms`,
    ];
    return html`<h2>Where the numbers come from</h2><p class="soft small">${run.model.name}, computed by ${p.engine}${p.version ? ` ${p.version}` : ""}${p.kernel ? `, kernel “${p.kernel}”` : ""}. ${parts.join(", ")}.${run.edits.length > 0 ? ` ${run.edits.length} change${run.edits.length > 1 ? "s" : ""} by hand.` : ""}</p>
      ${run.notes.map((n) => html`<p class="notice-line">${n}</p>`)}`;
  }
}
define("qkv-inspector", Inspector);

export { groupLabel, percent };
