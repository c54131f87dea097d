/** @file All layers as one map: rollout (attention multiplied through the layers, the residual mixed in) and flow (how much can pass). */
import { html, nothing, type TemplateResult } from "lit";
import type { Kind } from "../engine/protocol.js";
import { tokenLabel, weightText } from "../scene/tokens.js";
import { chooseCell } from "../state/actions.js";
import { numberWithin } from "../state/choice.js";
import { define, View } from "./base.js";
import { framed } from "./framed.js";
import "./plain-map.js";
import { Stoppable } from "./stoppable.js";
import { waiting } from "./waiting.js";

/** How the heads of a layer become one map; "fair" divides a column by the rows that can reach it. */
const fusions = [["mean", "mean"], ["max", "largest"], ["min", "smallest"], ["mean-fair", "mean, per reachable row"], ["max-fair", "largest, per reachable row"], ["min-fair", "smallest, per reachable row"]] as const; // biome-ignore format: a table

class FlowView extends View {
  static override properties = { flow: { state: true } };
  declare flow: { run: number; kind: Kind; output: number; shares: Float32Array } | undefined;
  readonly #work = new Stoppable(this);

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    if (k.queries + (k.kind === "cross" ? k.keys : 0) > 512)
      return html`<p class="empty">Rollout multiplies whole maps, layer by layer: up to 512 tokens; this text has ${k.queries + (k.kind === "cross" ? k.keys : 0)}.</p>`;
    const c = store.choice.value;
    const fusion = fusions.find(([id]) => id === c.extra["fusion"])?.[0] ?? (k.causal ? "mean-fair" : "mean");
    const residual = numberWithin(c.extra["residual"], 0.5, 0, 0.9);
    const upTo = Math.round(numberWithin(c.extra["upTo"], k.layers.at(-1)!, k.layers[0]!, k.layers.at(-1)!));
    const set =
      (name: string) =>
      (e: Event): void =>
        store.change({ extra: { ...c.extra, [name]: (e.target as HTMLInputElement).value } });
    const discard = numberWithin(c.extra["discard"], 0, 0, 0.95);
    const asked = { run: run.id, kind: k.kind, fusion, residual, upTo, discard };
    const maps = store.ask(`rollout ${JSON.stringify(asked)}`, () => store.engine.rollout(asked)).value;
    const query = c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1;
    const labels = k.rows.map(tokenLabel);
    const inputs = k.columns.map(tokenLabel);
    const cross = k.kind === "cross";
    const ways = fusions.slice(0, cross ? 3 : 6);
    return html`
      <div class="tools">
        <label>heads by <select id="fusion" @change=${set("fusion")}>${ways.map(([id, name]) => html`<option value=${id} ?selected=${id === fusion}>${name}</option>`)}</select></label>
        <label class="slider">residual share <input type="range" min="0" max="0.9" step="0.05" .value=${String(residual)} @change=${set("residual")} /><output>${residual}</output></label>
        <label class="slider">drop the smallest <input id="discard" type="range" min="0" max="0.95" step="0.05" .value=${String(discard)} @change=${set("discard")} /><output>${Math.round(100 * discard)} %</output></label>
        <label class="slider">layers 0 to <input type="range" min=${k.layers[0]!} max=${k.layers.at(-1)!} step="1" .value=${String(upTo)} @change=${set("upTo")} /><output>${upTo}</output></label>
      </div>
      <p class="legend">What each token drew from each input through all layers, if attention and the residual stream were all there is (Abnar & Zuidema 2020).${fusion.endsWith("fair") ? " Columns are divided by the number of rows that can reach them, since early tokens are drawn from more often only because more rows see them." : ""} ${cross ? "The encoder’s layers, then each decoder layer’s look at itself and across: what a row lacks to 1 came from the decoder’s own tokens." : "Rows sum to 1."} It says where information may have come from, not what was used.</p>
      ${maps.state !== "ready" ? waiting(maps, "Multiplying the layers") : html`<qkv-plain-map .map=${{ rows: labels, columns: inputs, values: maps.value.values, says: "Rollout: a row a token, a column an input.", names: ["token: drawn into", "input: drawn from"], notes: [k.causal ? "hatched: out of reach" : ""].filter(Boolean), cursor: { query, key: c.key } }} @choose-cell=${(e: CustomEvent<{ query: number; key: number }>) => chooseCell(store, e.detail.query, e.detail.key)}></qkv-plain-map>
        ${c.key < 0 ? nothing : html`<p data-testid="drawn"><bdi class="query-word">${labels[query]}</bdi> draws <span class="figure">${weightText(maps.value.values[query * k.keys + Math.min(c.key, k.keys - 1)]!)}</span> from <bdi class="key-word">${inputs[Math.min(c.key, k.keys - 1)]}</bdi>, through all layers; the number beside the picture is this head’s alone.</p>`}`}
      <section class="block"><h2 class="small-head">Flow into <bdi class="query-word">${labels[query]}</bdi></h2>
        <p>${this.#work.busy ? html`${this.#work.bar("inputs done")} ${this.#work.button}` : html`<button id="flow" @click=${() => this.#start(run.id, k.kind, query, residual)}>Compute the maximum flow</button>`} <span class="soft small">each weight a pipe of that width; the most that can pass from each input</span></p>
        ${this.#work.alarm}
        ${this.flow && this.flow.run === run.id && this.flow.kind === k.kind ? this.#shares(labels[this.flow.output]!, inputs) : nothing}
      </section>`; // biome-ignore format: one template
  }

  async #start(run: number, kind: Kind, output: number, residual: number): Promise<void> {
    await this.#work.start(async (options) => {
      this.flow = { run, kind, output, shares: await this.store.engine.flow({ run, kind, output, residual }, options) };
    });
  }

  #shares(output: string, labels: string[]): TemplateResult {
    const { shares } = this.flow!;
    const most = Math.max(...shares);
    const order = [...shares.keys()].filter((j) => shares[j]! > 0).sort((a, b) => shares[b]! - shares[a]!).slice(0, 16); // biome-ignore format: one list
    return framed(
      "Shares of the flow",
      html`<table class="numbers"><caption>Share of the flow into <bdi class="query-word">${output}</bdi></caption><thead><tr><th scope="col">position</th><th scope="col">input</th><th scope="col">share</th><th scope="col"><span class="sr">picture</span></th></tr></thead>
      <tbody>${order.map((j) => html`<tr><td>${j}</td><th scope="row"><bdi>${labels[j]}</bdi></th><td>${shares[j]!.toFixed(4)}</td><td class="bar-cell wide"><span class="pair-bar" .style=${`--a:${shares[j]! / most};--b:0`}><i></i></span></td></tr>`)}</tbody></table>`,
    );
  }
}
define("qkv-flow-view", FlowView);
