/** @file The logit lens: what the model would say if it stopped after each layer, for every token; pin a word to follow it. */
import "../app/styles/grids.css";
import "../app/styles/drawings.css";
import { html, nothing, svg, type TemplateResult } from "lit";
import { colourAt, css, inkOn, rampOf } from "../draw/colour.js";
import { percent, tokenLabel, visible } from "../scene/tokens.js";
import type { LensPathShown } from "../engine/lens-path.js";
import type { Guess, TokenView } from "../engine/protocol.js";
import { chooseHead } from "../state/actions.js";
import { define, View } from "./base.js";
import { closed, openModel } from "./closed.js";
import { framed } from "./framed.js";
import { linearLegend } from "./legend.js";
import { waiting } from "./waiting.js";

const top = 20;

class LensView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const shut = closed(run.model);
    if (shut)
      return html`<p class="empty">${shut} The lens reads each layer’s state through the model’s word table. ${openModel}</p>`;
    if (k.kind === "encoder")
      return html`<p class="empty">An encoder says no words: what it makes goes to the decoder. Choose the decoder’s attention to see its lens.</p>`;
    if (k.queries > 400) return html`<p class="empty">The lens shows up to 400 tokens; this text has ${k.queries}.</p>`;
    const lens = store.ask(`lens ${run.id}`, () => store.engine.lens({ run: run.id, top })).value;
    if (lens.state !== "ready") return waiting(lens, "Reading every layer");
    if (lens.value.length === 0)
      return html`<p class="empty">${run.model.name} says no words: its last layer gives a vector a token, and no table turns those into words. A GPT, a Llama, a T5 or a BERT with its masked-word head has a lens.</p>`;
    const c = store.choice.value;
    const at = c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1;
    const pinned = c.extra["pin"];
    const ramp = rampOf(c.scale, store.mode.value);
    const name = (layer: number): string => (layer === 0 ? "embedding" : `after layer ${layer - 1}`);
    const final = lens.value.at(-1)!.rows[at]!;
    return html`
      <p class="lead">${run.hasLogits ? "After" : "At"} <bdi class="query-word">${tokenLabel(k.rows[at]!)}</bdi> the model says <bdi class="key-word">${visible(final[0]!.text)}</bdi> <span class="figure">${percent(final[0]!.probability)}</span></p>
      ${framed("Logit lens", html`<table class="lens"><caption class="sr">Likeliest ${run.hasLogits ? "next token" : "word"} after each layer, for each token of the text</caption>
        <thead><tr><th scope="col"><span class="sr">layer</span></th>${k.rows.map((t, i) => html`<th scope="col" class=${i === at ? "lead-col" : ""}><bdi>${tokenLabel(t)}</bdi></th>`)}</tr></thead>
        <tbody>${[...lens.value].reverse().map(({ layer, rows }) => html`<tr><th scope="row">${name(layer)}</th>${rows.map((guesses, i) => {
          const g = pinned ? (guesses.find((x) => x.text === pinned) ?? { text: pinned, probability: 0 }) : guesses[0]!;
          const colour = colourAt(ramp, g.probability);
          return html`<td><button class="lens-cell" aria-pressed=${i === at} .style=${`background:${css(colour)};color:${inkOn(colour)}`} title=${percent(g.probability)} aria-label=${`${name(layer)}, after “${tokenLabel(k.rows[i]!)}”: “${visible(g.text)}”, ${percent(g.probability)}`} @click=${() => store.change({ query: i })}><bdi>${pinned ? (g.probability === 0 ? "–" : percent(g.probability)) : visible(g.text).replace(/^ +$/, "␣")}</bdi></button></td>`;
        })}</tr>`)}</tbody></table>`)}
      ${linearLegend(store, [pinned ? `probability of “${visible(pinned)}”` : "probability of the word", `${k.queries} tokens side by side: scroll to see all`])}
      <div class="tools after"><label>follow <select id="pin" @change=${(e: Event) => store.change({ extra: { ...c.extra, pin: (e.target as HTMLSelectElement).value } })}><option value="">the likeliest of each layer</option>${choices(final, k.rows).map((g) => html`<option value=${g.text} ?selected=${g.text === pinned}>“${visible(g.text)}”</option>`)}</select></label></div>
      ${this.#path(run.id, at, choices(final, k.rows).find((g) => g.text === pinned) ?? final[0]!, name)}
      `; // biome-ignore format: one template
  }

  /** Rank, probability and distance from the final answer after each layer; and which heads wrote the word. */
  #path(
    run: number,
    position: number,
    word: { id: number; text: string },
    name: (layer: number) => string,
  ): TemplateResult {
    const { store } = this;
    const asked = { run, position, token: word.id };
    const answer = store.ask(
      `lens path ${JSON.stringify(asked)}`,
      () => store.engine.lab("lensPath", asked) as Promise<LensPathShown>,
    ).value;
    if (answer.state !== "ready") return waiting(answer, "Following the word");
    const { layers, heads, rest, logit } = answer.value;
    const most = Math.max(1e-9, ...heads.map((h) => Math.abs(h.adds)));
    const strongest = [...heads].sort((a, b) => Math.abs(b.adds) - Math.abs(a.adds)).slice(0, 8);
    return html`<div class="two-up"><section><h2 class="small-head">“${visible(word.text)}” through the layers</h2>
      ${trajectory("rank (1 = first), logarithmic", layers.map((l) => Math.log10(l.rank)), (v) => String(Math.round(10 ** v)), true)}
      ${trajectory("KL from the final guess, nats", layers.map((l) => l.kl), (v) => v.toFixed(2))}
      ${framed("After each layer", html`<table class="numbers" data-testid="lens-path"><caption>After each layer</caption><thead><tr><th scope="col">layer</th><th scope="col">rank</th><th scope="col">probability</th><th scope="col">KL, nats</th></tr></thead>
      <tbody>${layers.map((l) => html`<tr><th scope="row">${name(l.layer)}</th><td>${l.rank}</td><td>${percent(l.probability)}</td><td>${l.kl.toFixed(3)}</td></tr>`)}</tbody></table>`)}</section>
      ${heads.length === 0 ? nothing : html`<section><h2 class="small-head">Which heads wrote it</h2>
      ${framed("Which heads wrote it", html`<table class="numbers" data-testid="attribution"><caption>What each adds to the logit ${logit.toFixed(3)} directly; all else (embedding, feed-forward, biases) adds ${rest.toFixed(3)}; orange takes away</caption><thead><tr><th scope="col">head</th><th scope="col">adds</th><th scope="col"><span class="sr">picture</span></th></tr></thead>
      <tbody>${strongest.map((h) => html`<tr><th scope="row"><button class="quiet" @click=${() => { store.change({ kind: h.kind }); chooseHead(store, h.layer, h.head); }}>${h.kind === "self" ? "" : `${h.kind} `}${h.layer}.${h.head}</button></th><td>${h.adds.toFixed(3).replace("-", "−")}</td><td class="bar-cell wide"><span class="pair-bar" .style=${h.adds < 0 ? `--a:0;--b:${-h.adds / most}` : `--a:${h.adds / most};--b:0`}>${h.adds < 0 ? html`<b></b>` : html`<i></i>`}</span></td></tr>`)}</tbody></table>`)}</section>`}</div>`; // biome-ignore format: one template
  }
}

/** Words that can be followed: the likeliest in the end, the text's own, and the one in the link. */
function choices(final: Guess[], rows: TokenView[]): { id: number; text: string }[] {
  const out: { id: number; text: string }[] = final.slice(0, 12);
  for (const t of rows)
    if (!t.special && !out.some((g) => g.id === t.id) && out.length < 40) out.push({ id: t.id, text: t.text });
  return out;
}

/** A small curve over the layers. */
function trajectory(title: string, values: number[], label: (v: number) => string, down = false): TemplateResult {
  const [W, H, left, top] = [340, 96, 44, 20];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (i: number): number => left + (i * (W - left - 12)) / Math.max(1, values.length - 1);
  const share = (v: number): number => (high > low ? (v - low) / (high - low) : 0.5);
  const y = (v: number): number => top + (down ? share(v) : 1 - share(v)) * (H - top - 12);
  const line = values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return html`<svg class="trajectory" viewBox="0 0 ${W} ${H}" role="img" aria-label=${`${title}: ${values.map(label).join(", ")}`}>
    <text x="0" y="12" class="svg-tick">${title}</text><path d=${line} class="svg-run"></path>
    ${values.map((v, i) => svg`<circle cx=${x(i)} cy=${y(v)} r="3" class="svg-point"><title>${label(v)}</title></circle>`)}
    <text x=${left - 8} y=${y(values[0]!) + 4} class="svg-tick" text-anchor="end">${label(values[0]!)}</text>
    <text x=${W - 10} y=${y(values.at(-1)!) - 6} class="svg-tick" text-anchor="end">${label(values.at(-1)!)}</text></svg>`;
}
define("qkv-lens-view", LensView);
