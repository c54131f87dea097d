/** @file Three tokens, two numbers each: every step of attention by hand, and every number can be changed. */
import { html, type TemplateResult } from "lit";
import type { PlayAsked, PlayShown } from "../engine/play.js";
import { define, View } from "../views/base.js";
import { framed } from "../views/framed.js";
import { failure, waiting } from "../views/waiting.js";

const names = ["the", "cat", "sat"];
const start: PlayAsked = {
  q: [[1, 0], [0, 1], [1, 1]],
  k: [[1, 0], [0, 2], [1, 1]],
  v: [[1, 0], [0, 1], [5, 5]],
  causal: true,
  scaled: true,
}; // biome-ignore format: matrices

class Play extends View {
  /** What is in the link, else the start: the numbers are part of the page's state. */
  get asked(): PlayAsked {
    try {
      const kept = JSON.parse(this.store.choice.value.extra["play"] ?? "") as PlayAsked;
      const whole = (m: unknown): boolean =>
        Array.isArray(m) &&
        m.length === 3 &&
        m.every((r) => Array.isArray(r) && r.length === 2 && r.every(Number.isFinite));
      if (whole(kept.q) && whole(kept.k) && whole(kept.v))
        return { ...kept, causal: kept.causal === true, scaled: kept.scaled === true };
    } catch {
      // not a state of ours: start anew
    }
    return start;
  }

  #keep(asked: PlayAsked): void {
    this.store.change({ extra: { ...this.store.choice.peek().extra, play: JSON.stringify(asked) } });
  }

  override render(): TemplateResult {
    const { asked, store } = this;
    const name = JSON.stringify(asked);
    const answer = store.ask<PlayShown>(
      `play ${name}`,
      () => store.engine.lab("play", asked) as Promise<PlayShown>,
    ).value;
    return html`<div class="play">
      <div class="matrices">${(["q", "k", "v"] as const).map((m) => this.#matrix(m, asked))}</div>
      <p><label><input type="checkbox" .checked=${asked.causal} @change=${() => this.#keep({ ...asked, causal: !asked.causal })}> causal: nobody sees ahead</label>
        <label><input type="checkbox" .checked=${asked.scaled} @change=${() => this.#keep({ ...asked, scaled: !asked.scaled })}> divide by √2</label>
        <button @click=${() => this.#keep(start)}>Start again</button></p>
      ${answer.state === "failed" ? failure(answer.message) : answer.state === "loading" ? waiting(answer, "Computing") : this.#steps(answer.value, asked)}
    </div>`;
  }

  #matrix(which: "q" | "k" | "v", asked: PlayAsked): TemplateResult {
    const title = { q: "queries", k: "keys", v: "values" }[which];
    return html`<table class="matrix"><caption>${title}</caption><tbody>${asked[which].map(
      (r, i) =>
        html`<tr><th scope="row">${names[i]}</th>${r.map(
          (x, d) => html`<td>
      <input type="number" step="0.5" .value=${String(x)} aria-label=${`${title}, ${names[i]}, number ${d + 1}`} @change=${(e: Event) => this.#put(which, i, d, e)}></td>`,
        )}</tr>`,
    )}</tbody></table>`;
  }

  #put(which: "q" | "k" | "v", i: number, d: number, event: Event): void {
    const value = Number((event.target as HTMLInputElement).value);
    if (!Number.isFinite(value)) return;
    const { asked } = this;
    this.#keep({
      ...asked,
      [which]: asked[which].map((r, n) => (n === i ? r.map((x, m) => (m === d ? value : x)) : r)),
    });
  }

  #steps(s: PlayShown, asked: PlayAsked): TemplateResult {
    const table = (caption: string, rows: (number | null)[][], heads: string[], digits: number): TemplateResult =>
      framed(
        caption,
        html`<table class="facts"><caption>${caption}</caption>
      <thead><tr><td></td>${heads.map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
      <tbody>${rows.map((r, i) => html`<tr><th scope="row">${names[i]}</th>${r.map((x) => html`<td>${x === null ? html`<span class="soft">−∞</span>` : x.toFixed(digits)}</td>`)}</tr>`)}</tbody></table>`,
      );
    return html`<div class="matrices">
      ${table("q·k, added up", s.products, names, 2)}
      ${table(asked.scaled ? "÷ √2 = scores" : "scores", s.scores, names, 2)}
      ${table("softmax = weights", s.weights, names, 4)}
      ${table("weights · v = output", s.output, ["1", "2"], 4)}
    </div>`;
  }
}

define("qkv-play", Play);
