/** @file All layers as one map: rollout (attention multiplied through the layers, the residual mixed in) and flow (how much can pass). */
import { html, nothing, type TemplateResult } from "lit";
import { tokenLabel } from "../scene/tokens.js";
import { chooseCell } from "../state/actions.js";
import { words } from "../state/store.js";
import { define, View } from "./base.js";
import "./plain-map.js";
import { waiting } from "./waiting.js";

class FlowView extends View {
  static override properties = { flow: { state: true }, progress: { state: true }, trouble: { state: true } };
  declare flow: { run: number; kind: string; output: number; shares: Float32Array } | undefined;
  declare progress: { done: number; total: number } | undefined;
  declare trouble: string;
  #control: AbortController | undefined;

  constructor() {
    super();
    this.trouble = "";
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#control?.abort(new DOMException("left", "AbortError"));
  }

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    if (k.queries + (k.kind === "cross" ? k.keys : 0) > 512)
      return html`<p class="empty">Rollout multiplies whole maps, layer by layer: up to 512 tokens; this text has ${k.queries + (k.kind === "cross" ? k.keys : 0)}.</p>`;
    const c = store.choice.value;
    const fusion = c.extra["fusion"] ?? (k.causal ? "mean-fair" : "mean");
    const residual = Number(c.extra["residual"] ?? "0.5");
    const upTo = Math.min(Number(c.extra["upTo"] ?? String(k.layers.at(-1))), k.layers.at(-1)!);
    const set =
      (name: string) =>
      (e: Event): void =>
        store.change({ extra: { ...c.extra, [name]: (e.target as HTMLInputElement).value } });
    const discard = Math.min(0.95, Math.max(0, Number(c.extra["discard"] ?? "0") || 0));
    const asked = { run: run.id, kind: k.kind, fusion, residual, upTo, discard };
    const maps = store.ask(`rollout ${JSON.stringify(asked)}`, () => store.engine.rollout(asked)).value;
    const query = c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1;
    const labels = k.rows.map(tokenLabel);
    const inputs = k.columns.map(tokenLabel);
    const cross = k.kind === "cross";
    const ways = ([["mean", "mean"], ["max", "largest"], ["min", "smallest"], ["mean-fair", "mean, per reachable row"], ["max-fair", "largest, per reachable row"], ["min-fair", "smallest, per reachable row"]] as const).slice(0, cross ? 3 : 6); // biome-ignore format: one list
    return html`
      <div class="tools">
        <label>heads by <select id="fusion" @change=${set("fusion")}>${ways.map(([id, name]) => html`<option value=${id} ?selected=${id === fusion}>${name}</option>`)}</select></label>
        <label class="slider">residual share <input type="range" min="0" max="0.9" step="0.05" .value=${String(residual)} @change=${set("residual")} /><output>${residual}</output></label>
        <label class="slider">drop the smallest <input id="discard" type="range" min="0" max="0.95" step="0.05" .value=${String(discard)} @change=${set("discard")} /><output>${Math.round(100 * discard)} %</output></label>
        <label class="slider">layers 0 to <input type="range" min=${k.layers[0]!} max=${k.layers.at(-1)!} step="1" .value=${String(upTo)} @change=${set("upTo")} /><output>${upTo}</output></label>
      </div>
      <p class="legend">What each token drew from each input through all layers, if attention and the residual stream were all there is (Abnar & Zuidema 2020).${fusion.endsWith("fair") ? " Columns are divided by the number of rows that can reach them, since early tokens are drawn from more often only because more rows see them." : ""} ${cross ? "The encoder’s layers, then each decoder layer’s look at itself and across: what a row lacks to 1 came from the decoder’s own tokens." : "Rows sum to 1."} It says where information may have come from, not what was used.</p>
      ${maps.state !== "ready" ? waiting(maps, "Multiplying the layers") : html`<qkv-plain-map .map=${{ rows: labels, columns: inputs, values: maps.value.values, says: "Rollout: a row a token, a column an input.", cursor: { query, key: c.key } }} @choose-cell=${(e: CustomEvent<{ query: number; key: number }>) => chooseCell(store, e.detail.query, e.detail.key)}></qkv-plain-map>`}
      <section class="block"><h2 class="small-head">Flow into <bdi class="query-word">${labels[query]}</bdi></h2>
        <p>${this.progress ? html`<progress max=${this.progress.total} value=${this.progress.done} aria-label="inputs done"></progress> <button @click=${() => this.#control?.abort(new DOMException("stopped", "AbortError"))}>Stop</button>` : html`<button id="flow" @click=${() => this.#start(run.id, k.kind, query, residual)}>Compute the maximum flow</button>`} <span class="soft small">each weight a pipe of that width; the most that can pass from each input</span></p>
        ${this.trouble ? html`<p class="error" role="alert">${this.trouble}</p>` : nothing}
        ${this.flow && this.flow.run === run.id && this.flow.kind === k.kind ? this.#shares(labels[this.flow.output]!, inputs) : nothing}
      </section>`; // biome-ignore format: one template
  }

  async #start(run: number, kind: "self", output: number, residual: number): Promise<void>;
  async #start(run: number, kind: string, output: number, residual: number): Promise<void>;
  async #start(run: number, kind: string, output: number, residual: number): Promise<void> {
    this.trouble = "";
    this.#control = new AbortController();
    this.progress = { done: 0, total: 1 };
    try {
      const shares = await this.store.engine.flow({ run, kind: kind as "self", output, residual }, { signal: this.#control.signal, onProgress: (done, total) => { this.progress = { done, total }; } }); // biome-ignore format: one call
      this.flow = { run, kind, output, shares };
    } catch (error) {
      if ((error as Error).name !== "AbortError") this.trouble = words(error);
    } finally {
      this.progress = undefined;
    }
  }

  #shares(output: string, labels: string[]): TemplateResult {
    const { shares } = this.flow!;
    const most = Math.max(...shares);
    const order = [...shares.keys()].filter((j) => shares[j]! > 0).sort((a, b) => shares[b]! - shares[a]!).slice(0, 16); // biome-ignore format: one list
    return html`<table class="numbers"><caption>Share of the flow into <bdi class="query-word">${output}</bdi></caption><thead><tr><th scope="col">position</th><th scope="col">input</th><th scope="col">share</th><th scope="col"><span class="sr">picture</span></th></tr></thead>
      <tbody>${order.map((j) => html`<tr><td>${j}</td><th scope="row"><bdi>${labels[j]}</bdi></th><td>${shares[j]!.toFixed(4)}</td><td class="bar-cell wide"><span class="pair-bar" .style=${`--a:${shares[j]! / most};--b:0`}><i></i></span></td></tr>`)}</tbody></table>`;
  }
}
define("qkv-flow-view", FlowView);
