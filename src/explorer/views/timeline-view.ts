/** @file Generation as it happens: a token a step, each with what it was chosen from and the row of attention it added. */
import "../app/styles/drawings.css";
import { html, nothing, svg, type TemplateResult } from "lit";
import type { GenerationStep, RunView } from "../engine/protocol.js";
import { percent, tokenLabel, visible } from "../scene/tokens.js";
import { headOf, layerOf } from "../state/actions.js";
import { numberWithin } from "../state/choice.js";
import { define, View } from "./base.js";
import { guessBars } from "./guess-bars.js";
import "./plain-map.js";
import { closed, openModel } from "./closed.js";
import { Stoppable } from "./stoppable.js";
import { waiting } from "./waiting.js";

class TimelineView extends View {
  static override properties = {
    steps: { state: true },
    at: { state: true },
    from: { state: true },
  };
  declare steps: GenerationStep[];
  declare at: number;
  /** The text that was continued, and its length in tokens. */
  declare from: { text: string; tokens: number; model: string } | undefined;
  readonly #work = new Stoppable(this);

  constructor() {
    super();
    this.steps = [];
    this.at = -1;
  }

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    if (!run) return waiting(store.run.value, "Reading the text");
    if (!run.model.generates)
      return html`<p class="empty">${run.model.generates === false ? `${run.model.name} does not write text: it does not say what comes next. A model like GPT, Llama or T5 has a timeline.` : `${closed(run.model)} It cannot write on. ${openModel}`}</p>`;
    const c = store.choice.value;
    const { temperature, count } = lengthAndHeat(c.extra);
    const set =
      (name: string) =>
      (e: Event): void =>
        store.change({ extra: { ...c.extra, [name]: (e.target as HTMLInputElement).value } });
    return html`
      <div class="tools">
        ${this.#work.busy ? this.#work.button : html`<button class="primary" id="generate" @click=${() => this.#start()}>Continue the text</button>`}
        <label class="slider">tokens <input type="range" min="4" max="128" step="4" .value=${String(count)} @input=${set("count")} /><output>${count}</output></label>
        <label class="slider">temperature <input type="range" min="0" max="1.5" step="0.1" .value=${String(temperature)} @input=${set("temperature")} /><output>${temperature === 0 ? "0: always the likeliest" : temperature}</output></label>
      </div>
      ${this.#work.alarm}
      ${this.from ? this.#story() : html`<p class="soft">The model writes on from the end of your text; every token keeps the row it was made from.</p>`}`;
  }

  async #start(): Promise<void> {
    const { store } = this;
    const run = store.shown.peek()!;
    const { temperature, count } = lengthAndHeat(store.choice.peek().extra);
    const asked = { model: run.model.id, text: run.text, tokens: count, temperature, seed: 1 };
    this.steps = [];
    this.at = -1;
    this.from = { text: run.text, tokens: run.kinds[0]!.queries, model: run.model.id };
    const onStep = (step: GenerationStep): void => {
      this.steps = [...this.steps, step];
      this.at = this.steps.length - 1;
    };
    await this.#work.start(async ({ signal }) => {
      await store.engine.generate(asked, { signal, onStep });
    });
  }

  #story(): TemplateResult {
    const { from, steps, at } = this;
    const text = from!.text + steps.map((s) => s.token).join("");
    const step = steps[at];
    return html`
      <p class="story" dir="auto"><span class="soft">${visible(from!.text)}</span>${steps.map((s, n) => html`<button class="story-token" aria-pressed=${n === at} title=${percent(s.probability)} @click=${() => { this.at = n; }}>${visible(s.token) || "·"}</button>`)}</p>
      ${steps.length > 0 ? html`<label class="knob">step <input id="scrub" type="range" min="0" max=${steps.length - 1} step="1" .value=${String(at)} @input=${(e: Event) => { this.at = Number((e.target as HTMLInputElement).value); }} /><output>${at + 1} of ${steps.length}</output></label>` : nothing}
      ${step ? html`<div class="two-up"><div><h2 class="small-head">Chosen from</h2>${guessBars(step.top)}<p class="soft small">“${visible(step.token) || "a part of a character"}” had ${percent(step.probability)}.</p></div>${this.#work.busy ? html`<p class="soft">The maps come when the text is complete.</p>` : this.#rows(text, at)}</div>` : nothing}
      ${this.#work.busy || steps.length === 0 ? nothing : html`<p><button @click=${() => this.store.change({ text, query: -1, key: -1 }, "push")}>Take it as the text</button></p>`}`; // biome-ignore format: one template
  }

  /** The map up to the step: its last row is what the step added. */
  #rows(text: string, at: number): TemplateResult {
    const { store } = this;
    const run = store.ask(
      `generated ${this.from!.model} ${text}`,
      () => store.engine.lab("generated", { model: this.from!.model }) as Promise<RunView>,
    ).value;
    if (run.state !== "ready") return waiting(run, "Fetching the rows of the cache");
    const k = run.value.kinds[0]!;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const filter = { hideSpecial: false, hideFirst: false, renormalise: false, words: false };
    const maps = store.ask(`generated maps ${run.value.id} ${layer}`, () =>
      store.engine.layerMaps({ run: run.value.id, kind: k.kind, layer, filter }),
    ).value;
    if (maps.state !== "ready") return waiting(maps, "Computing the layer");
    const rows = Math.min(k.queries, this.from!.tokens + at);
    const [R, C] = [k.queries, k.keys];
    const values = new Float32Array(rows * rows);
    for (let i = 0; i < rows; i++)
      values.set(maps.value.values.subarray((head * R + i) * C, (head * R + i) * C + rows), i * rows);
    const labels = k.rows.slice(0, rows).map(tokenLabel);
    const one = k.layers.length * k.headDim * 2 * 4; // keys and values of one key head and token, in bytes of float32
    return html`<div><h2 class="small-head">Layer ${layer}, head ${head}: ${rows} rows so far</h2>
      <qkv-plain-map .map=${{ rows: labels, columns: labels, values, says: `The map after step ${at + 1}; its last row chose the token.`, cursor: { query: rows - 1, key: -1 }, height: 380 }}></qkv-plain-map>
      ${cacheGrowth(this.from!.tokens, k.queries, rows, one * k.keyHeads, one * k.heads)}
      <p class="soft small" data-testid="cache">Keys and values kept: ${((one * k.keyHeads * rows) / 1024).toFixed(1)} kB (${k.layers.length} layers × ${k.keyHeads} key heads × ${rows} tokens × 2 × ${k.headDim} numbers of 4 bytes)${k.keyHeads < k.heads ? `; without shared key heads ${((one * k.heads * rows) / 1024).toFixed(1)} kB` : ""}. The rows are those of the cache itself, a row a step.</p></div>`;
  }
}
/** How many tokens are written, and how boldly. */
function lengthAndHeat(extra: Record<string, string>): { temperature: number; count: number } {
  return {
    temperature: numberWithin(extra["temperature"], 0, 0, 1.5),
    count: Math.round(numberWithin(extra["count"], 24, 4, 128)),
  };
}
/** How the cache grows with the tokens read; the marked step is the one looked at. */
function cacheGrowth(from: number, all: number, now: number, bytes: number, whole: number): TemplateResult {
  const [W, H, left] = [340, 124, 52];
  const most = Math.max(1, whole * all);
  const x = (n: number): number => left + (n * (W - left - 8)) / Math.max(1, all);
  const y = (b: number): number => H - 22 - (b * (H - 54)) / most;
  const kB = (b: number): string => `${(b / 1024).toFixed(b < 10240 ? 1 : 0)} kB`;
  return html`<svg class="trajectory" viewBox="0 0 ${W} ${H}" role="img" aria-label=${`The cache grows by ${kB(bytes)} a token: ${kB(bytes * from)} after the prompt, ${kB(bytes * now)} now, ${kB(bytes * all)} at the end.`}>
    <text x="0" y="12" class="svg-tick">cache, by tokens read</text>
    ${whole > bytes ? svg`<path d=${`M${x(0)} ${y(0)}L${x(all)} ${y(whole * all)}`} class="svg-chance" fill="none"></path>` : nothing}
    <path d=${`M${x(0)} ${y(0)}L${x(all)} ${y(bytes * all)}`} class="svg-run"></path>
    <line x1=${x(from)} x2=${x(from)} y1=${y(0)} y2=${y(most)} class="svg-grid"></line><text x=${x(from)} y=${H - 6} class="svg-tick" text-anchor="middle">prompt</text>
    <circle cx=${x(now)} cy=${y(bytes * now)} r="4.5" class="svg-point"></circle>
    <text x=${left - 6} y=${y(bytes * now) + 4} class="svg-tick" text-anchor="end">${kB(bytes * now)}</text></svg>`;
}
define("qkv-timeline-view", TimelineView);
