/** @file Numbers of the chapters that are computed while one reads: the scale, and heads that rest on the first token. */
import { html, type TemplateResult } from "lit";
import type { RestingShown, ScaleShown } from "../engine/chapter-numbers.js";
import { percent } from "../scene/tokens.js";
import { chooseHead } from "../state/actions.js";
import { define, View } from "../views/base.js";
import { failure, waiting } from "../views/waiting.js";

const sizes = [16, 64, 256, 1024];

/** What becomes of a row of weights when nobody divides by √d. */
class ScaleView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const { extra } = store.choice.value;
    const keys = Math.min(256, Math.max(2, Math.round(Number(extra["keys"] ?? "64")) || 64));
    const answer = store.ask<ScaleShown>(
      `scale ${keys}`,
      () => store.engine.lab("scale", { keys, sizes }) as Promise<ScaleShown>,
    ).value;
    const pair = ([bare, scaled]: [number, number]): TemplateResult =>
      html`<td>${bare.toFixed(3)}</td><td>${scaled.toFixed(3)}</td>`;
    return html`<label class="knob">keys to choose from <input id="scale-keys" type="range" min="2" max="256" step="2" .value=${String(keys)} @change=${(e: Event) => store.change({ extra: { ...extra, keys: (e.target as HTMLInputElement).value } })} /><output>${keys}</output></label>
      ${answer.state === "failed" ? failure(answer.message) : answer.state === "loading" ? waiting(answer, "Drawing q and k") : html`<div class="scrolls" tabindex="0" role="group" aria-label="With and without the scale"><table class="numbers" data-testid="scale"><caption>200 queries and ${keys} keys of normal numbers, computed now</caption>
        <thead><tr><th scope="col">d</th><th scope="col">spread of q·k</th><th scope="col">largest weight, bare</th><th scope="col">÷ √d</th><th scope="col">slope, bare</th><th scope="col">÷ √d</th><th scope="col">smaller by</th></tr></thead>
        <tbody>${answer.value.rows.map((r) => html`<tr><th scope="row">${r.size}</th><td>${r.spread.toFixed(1)}</td>${pair(r.top)}${pair(r.slope)}<td>${(r.slope[1] / r.slope[0]).toFixed(1)}×</td></tr>`)}</tbody></table></div>
        <p class="soft small">Largest weight: mean over queries. Slope: ‖diag(p) − ppᵀ‖ of the middle query, how much of a change of the scores reaches the weights.</p>`}`; // biome-ignore format: one template
  }
}
define("qkv-scale-view", ScaleView);

/** Which heads of the open run rest on the first token, and whether what they take from there weighs anything. */
class RestingView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    if (k.queries > 512) return html`<p class="soft">Counted up to 512 tokens; this text has ${k.queries}.</p>`;
    const answer = store.ask<RestingShown>(
      `resting ${run.id} ${k.kind}`,
      () => store.engine.lab("resting", { run: run.id, kind: k.kind }) as Promise<RestingShown>,
    ).value;
    if (answer.state === "failed") return failure(answer.message);
    if (answer.state !== "ready") return waiting(answer, "Reading the first column of every head");
    const order = [...answer.value.heads].sort((a, b) => b.first - a.first);
    const resting = order.filter((h) => h.first > 0.5).length;
    return html`<p data-testid="resting">In ${run.model.name}, on this text, <span class="figure">${resting}</span> of ${order.length} heads give more than half of their weight to the first token${resting === 0 ? ": none rests there" : ""}. The most:</p>
      <table class="numbers"><caption class="sr">Heads by their weight on the first token</caption><thead><tr><th scope="col">head</th><th scope="col">weight on the first token</th><th scope="col">weighed by values</th></tr></thead>
      <tbody>${order.slice(0, 5).map((h) => html`<tr><th scope="row"><button class="quiet" @click=${() => chooseHead(store, h.layer, h.head)}>${h.layer}.${h.head}</button></th><td>${percent(h.first)}</td><td>${h.weighed === null ? "no values kept" : percent(h.weighed)}</td></tr>`)}</tbody></table>`; // biome-ignore format: one template
  }
}
define("qkv-resting-view", RestingView);
