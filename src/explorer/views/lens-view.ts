/** @file The logit lens: what the model would say if it stopped after each layer, for every token; pin a word to follow it. */
import { html, nothing, type TemplateResult } from "lit";
import { colourAt, css, inkOn, rampOf } from "../draw/colour.js";
import { percent, tokenLabel, visible } from "../scene/tokens.js";
import { define, View } from "./base.js";
import { waiting } from "./waiting.js";

const top = 20;

class LensView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    if (!run.hasLogits || !run.hasHiddenStates)
      return html`<p class="empty">This run has no next-token scores to read at each layer.</p>`;
    if (k.queries > 400) return html`<p class="empty">The lens shows up to 400 tokens; this text has ${k.queries}.</p>`;
    const lens = store.ask(`lens ${run.id}`, () => store.engine.lens({ run: run.id, top })).value;
    if (lens.state !== "ready") return waiting(lens, "Reading every layer");
    if (lens.value.length === 0)
      return html`<p class="empty">This architecture's last norm and word table were not found.</p>`;
    const c = store.choice.value;
    const at = c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1;
    const pinned = c.extra["pin"];
    const ramp = rampOf(c.scale, store.mode.value);
    const name = (layer: number): string => (layer === 0 ? "embedding" : `after layer ${layer - 1}`);
    const final = lens.value.at(-1)!.rows[at]!;
    return html`
      <p class="lead">After <bdi class="query-word">${tokenLabel(k.rows[at]!)}</bdi> the model says <bdi class="key-word">${visible(final[0]!.text)}</bdi> <span class="figure">${percent(final[0]!.probability)}</span></p>
      <div class="frame" tabindex="0" role="region" aria-label="Logit lens"><table class="lens"><caption class="sr">Likeliest next token after each layer, for each token of the text</caption>
        <thead><tr><th scope="col"><span class="sr">layer</span></th>${k.rows.map((t, i) => html`<th scope="col" class=${i === at ? "lead-col" : ""}><bdi>${tokenLabel(t)}</bdi></th>`)}</tr></thead>
        <tbody>${[...lens.value].reverse().map(({ layer, rows }) => html`<tr><th scope="row">${name(layer)}</th>${rows.map((guesses, i) => {
          const g = pinned ? (guesses.find((x) => x.text === pinned) ?? { text: pinned, probability: 0 }) : guesses[0]!;
          const colour = colourAt(ramp, g.probability);
          return html`<td><button class="lens-cell" aria-pressed=${i === at} .style=${`background:${css(colour)};color:${inkOn(colour)}`} title=${`${percent(g.probability)}`} @click=${() => store.change({ query: i })}><bdi>${pinned ? (g.probability === 0 ? "–" : percent(g.probability)) : visible(g.text).replace(/^ +$/, "␣")}</bdi></button></td>`;
        })}</tr>`)}</tbody></table></div>
      <div class="tools"><label>follow <select id="pin" @change=${(e: Event) => store.change({ extra: { ...c.extra, pin: (e.target as HTMLSelectElement).value } })}><option value="">the likeliest of each layer</option>${final.slice(0, 12).map((g) => html`<option value=${g.text} ?selected=${g.text === pinned}>“${visible(g.text)}”</option>`)}</select></label></div>
      <table class="numbers"><caption>Rank of the final answer “${visible(final[0]!.text)}” after each layer</caption><thead><tr><th scope="col">rank</th><th scope="col">layer</th><th scope="col">probability</th></tr></thead>
        <tbody>${lens.value.map(({ layer, rows }) => { const r = rows[at]!.findIndex((g) => g.id === final[0]!.id); return html`<tr><td>${r < 0 ? `> ${top}` : r + 1}</td><th scope="row">${name(layer)}</th><td>${r < 0 ? "" : percent(rows[at]![r]!.probability)}</td></tr>`; })}</tbody></table>
      ${nothing}`; // biome-ignore format: one template
  }
}
define("qkv-lens-view", LensView);
