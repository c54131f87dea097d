/** @file One score from its parts: q, k and their products dimension by dimension, the sum as it runs, then scale, mask and softmax along the row. */
import "../app/styles/drawings.css";
import { html, nothing, svg, type TemplateResult } from "lit";
import { colourAt, css, signedRamp } from "../draw/colour.js";
import type { KindView, PairView, RowScores } from "../engine/protocol.js";
import { groupLabel, tokenLabel, weightText } from "../scene/tokens.js";
import type { RotaryShown } from "../engine/rotary.js";
import { chooseCell, headOf, layerOf, strongest } from "../state/actions.js";
import { define, View } from "./base.js";
import { framed } from "./framed.js";
import { signedLegend } from "./legend.js";
import { waiting } from "./waiting.js";

const figure = (x: number): string => (x === Number.NEGATIVE_INFINITY ? "−∞" : x.toFixed(4).replace("-", "−"));

interface Order {
  name: string;
  sort(product: number[], a: number, b: number): number;
}
/** The order of dimensions, by the value in the link. */
const orders: Record<string, Order> = {
  "": { name: "as stored", sort: (_, a, b) => a - b },
  "1": { name: "largest parts first", sort: (p, a, b) => Math.abs(p[b]!) - Math.abs(p[a]!) },
  up: { name: "what speaks for it first", sort: (p, a, b) => p[b]! - p[a]! },
  down: { name: "what speaks against it first", sort: (p, a, b) => p[a]! - p[b]! },
  pairs: { name: "by rotary pair", sort: (p, a, b) => (a % (p.length / 2)) - (b % (p.length / 2)) },
};

class NeuronView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const run = store.shown.value;
    if (!k || !run) return waiting(store.run.value, "Reading the text");
    if (!k.hasScores) return html`<p class="empty">This trace holds finished maps only; q and k are not in it.</p>`;
    const c = store.choice.value;
    const sort = c.extra["sort"] ?? "";
    const order = Object.hasOwn(orders, sort) ? orders[sort]! : orders[""]!;
    const maps = store.maps();
    const query = c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const key =
      c.key >= 0
        ? Math.min(c.key, k.keys - 1)
        : maps?.state === "ready" && maps.value.rows.length === k.queries
          ? strongest(maps.value, head, query)
          : 0;
    const at = { run: run.id, kind: k.kind, layer, head, query };
    const pair = store.ask(`pair ${JSON.stringify({ ...at, key })}`, () => store.engine.pair({ ...at, key })).value;
    const row = store.ask(`scores ${JSON.stringify(at)}`, () => store.engine.rowScores(at)).value;
    if (pair.state !== "ready") return waiting(pair, "Fetching q and k");
    return html`
      <div class="selects">
        <label>query <select id="neuron-q" @change=${(e: Event) => chooseCell(store, Number((e.target as HTMLSelectElement).value), key)}>${k.rows.slice(0, 2000).map((t, i) => html`<option value=${i} ?selected=${i === query}>${i} ${tokenLabel(t)}</option>`)}</select></label>
        <label>key <select id="neuron-k" @change=${(e: Event) => chooseCell(store, query, Number((e.target as HTMLSelectElement).value))}>${k.columns.slice(0, 2000).map((t, i) => html`<option value=${i} ?selected=${i === key}>${i} ${tokenLabel(t)}</option>`)}</select></label>
        <label>dimensions <select id="neuron-sort" @change=${(e: Event) => store.change({ extra: { ...c.extra, sort: (e.target as HTMLSelectElement).value } })}>${Object.entries(orders).map(([id, o]) => html`<option value=${id} ?selected=${o === order}>${o.name}</option>`)}</select></label>
      </div>
      ${this.#dimensions(pair.value, order.sort)}
      ${this.#sentence(pair.value, k)}
      ${this.#rotary({ ...at, key })}
      ${row.state === "ready" ? this.#softmax(row.value, k, key) : waiting(row, "Fetching the row")}`;
  }

  #dimensions(p: PairView, sort: Order["sort"]): TemplateResult {
    const D = p.q.length;
    const product = Array.from(p.q, (x, d) => x * p.k[d]!);
    const order = [...product.keys()].sort((a, b) => sort(product, a, b) || a - b);
    let total = 0;
    const running = order.map((d) => (total += product[d]!));
    const most = Math.max(1e-9, ...product.map(Math.abs));
    const reach = Math.max(1e-9, ...running.map(Math.abs));
    const size = Math.max(1e-9, ...p.q.map(Math.abs), ...p.k.map(Math.abs));
    const [W, left, cell] = [720, 74, (720 - 74 - 64) / D];
    const ramp = signedRamp(this.store.mode.value);
    const x = (n: number): number => left + n * cell;
    const strip = (values: ArrayLike<number>, y: number): TemplateResult[] =>
      order.map(
        (d, n) =>
          svg`<rect x=${x(n)} y=${y} width=${Math.max(0.5, cell - 0.6)} height="16" fill=${css(colourAt(ramp, (values[d]! / size + 1) / 2))}><title>dimension ${d}: ${figure(values[d]!)}</title></rect>`,
      );
    const middle = 120;
    const barOf = (v: number): { y: number; height: number } => ({
      y: v >= 0 ? middle - (52 * v) / most : middle,
      height: (52 * Math.abs(v)) / most,
    });
    const path = running.map((v, n) => `${n === 0 ? "M" : "L"}${x(n) + cell / 2} ${252 - (34 * v) / reach}`).join("");
    const best = [...product.keys()].sort((a, b) => Math.abs(product[b]!) - Math.abs(product[a]!)).slice(0, 3);
    return html`${framed("Dimension by dimension", html`<svg class="neuron" viewBox="0 0 ${W} 300" role="img" aria-label=${`q, k and their products in ${D} dimensions. The products sum to ${figure(total)}. Largest: ${best.map((d) => `dimension ${d}, ${figure(product[d]!)}`).join("; ")}.`}>
      <text x="0" y="24" class="svg-query">q</text>${strip(p.q, 12)}
      <text x="0" y="46" class="svg-key">k</text>${strip(p.k, 34)}
      <text x="0" y=${middle + 4} class="svg-soft">q ⊙ k</text>
      <line x1=${left} x2=${W - 64} y1=${middle} y2=${middle} class="svg-axis"></line>
      ${order.map((d, n) => { const b = barOf(product[d]!); return svg`<rect x=${x(n)} y=${b.y} width=${Math.max(0.5, cell - 0.6)} height=${Math.max(0.4, b.height)} fill=${css(colourAt(ramp, product[d]! >= 0 ? 0.9 : 0.1))}><title>dimension ${d}: ${figure(p.q[d]!)} × ${figure(p.k[d]!)} = ${figure(product[d]!)}</title></rect>`; })}
      <text x="0" y="256" class="svg-soft">running sum</text>
      <line x1=${left} x2=${W - 64} y1="252" y2="252" class="svg-axis"></line>
      <path d=${path} class="svg-run"></path>
      <text x=${W - 58} y=${Math.max(214, Math.min(290, 256 - (34 * total) / reach))} class="svg-figure">${figure(total)}</text>
    </svg>`)}${signedLegend(this.store, ["q and k; bars of the product: orange for it, blue against it"], size)}`; // biome-ignore format: a drawing
  }

  #sentence(p: PairView, k: KindView): TemplateResult {
    return html`<p class="equation">
      <span>q·k <b>${figure(p.dot)}</b></span><span>× scale ${figure(p.scale)} = <b>${figure(p.scaled)}</b></span>
      ${p.softcap === null ? nothing : html`<span>soft cap ${p.softcap} → <b>${figure(p.capped)}</b></span>`}
      ${p.bias === 0 ? nothing : html`<span>+ bias <b>${figure(p.bias)}</b></span>`}
      <span>${p.masked ? "masked → score −∞" : html`score <b data-testid="score">${figure(p.score)}</b>`}</span>
      <span>e<sup>score − ${figure(p.lse)}</sup> = <b>${p.masked ? "0" : weightText(p.weight)}</b></span>
    </p>
    <p class="soft small">q and k are as the attention sees them${k.causal ? ", after positions have turned them where the model has rotary positions" : ""}. ${p.q.length} dimensions.</p>`;
  }

  /** Rotary pairs before and after they were turned by position. */
  #rotary(asked: {
    run: number;
    kind: string;
    layer: number;
    head: number;
    query: number;
    key: number;
  }): TemplateResult | typeof nothing {
    const { store } = this;
    const answer = store.ask(
      `rotary ${JSON.stringify(asked)}`,
      () => store.engine.lab("rotary", asked) as Promise<RotaryShown | null>,
    ).value;
    if (answer.state !== "ready" || !answer.value) return nothing;
    const r = answer.value;
    const shown = [...r.pairs.keys()]
      .sort((a, b) => Math.abs(r.pairs[b]!.after) - Math.abs(r.pairs[a]!.after))
      .slice(0, 10);
    const reach = (p: RotaryShown["pairs"][number]): number => Math.max(1e-9, ...[...p.q, ...p.k].map(Math.abs));
    const dial = (p: RotaryShown["pairs"][number], from: number): TemplateResult => {
      const arm = (x: readonly number[], name: string): TemplateResult =>
        svg`<line x1="0" y1="0" x2=${(17 * x[from]!) / reach(p)} y2=${(-17 * x[from + 1]!) / reach(p)} class=${`svg-arm ${name}`}></line>`;
      return html`<svg class="dial" width="40" height="40" viewBox="-20 -20 40 40" aria-hidden="true"><circle r="18" class="svg-axis" fill="none"></circle>${arm(p.q, "q")}${arm(p.k, "k")}</svg>`;
    };
    return html`<details class="block" open><summary>Rotary positions: the words alone give q·k ${figure(r.before)}, turned by position ${figure(r.after)}</summary>
      ${framed("Rotary pairs", html`<table class="numbers" data-testid="rotary"><caption>The ${shown.length} pairs that count most of ${r.pairs.length}; blue q, orange k, each as it was and as it stands after turning</caption>
      <thead><tr><th scope="col">dimensions</th><th scope="col">turn for the distance</th><th scope="col">whole turn in</th><th scope="col">before</th><th scope="col">q·k before</th><th scope="col">after</th><th scope="col">q·k after</th></tr></thead>
      <tbody>${shown.map((i) => { const p = r.pairs[i]!; return html`<tr><th scope="row">${p.dims.join(", ")}</th><td>${((p.angle * 180) / Math.PI).toFixed(1)}°</td><td>${p.wavelength < 1e6 ? `${p.wavelength.toFixed(1)} tokens` : "never"}</td><td>${dial(p, 0)}</td><td>${figure(p.before)}</td><td>${dial(p, 2)}</td><td>${figure(p.after)}</td></tr>`; })}</tbody></table>`)}</details>`; // biome-ignore format: one table
  }

  #softmax(r: RowScores, k: KindView, key: number): TemplateResult {
    const order = [...r.weight.keys()].sort((a, b) => (r.weight[b]! || -1) - (r.weight[a]! || -1) || a - b);
    const shown = order.slice(0, 24);
    if (!shown.includes(key)) shown.push(key);
    return framed(
      "The softmax of this row",
      html`<table class="numbers"><caption>The softmax of this row: every key the token may see shares 1 (${shown.length} of ${r.weight.length} keys shown)</caption>
      <thead><tr><th scope="col">position</th><th scope="col">key</th><th scope="col">q·k</th><th scope="col">score</th><th scope="col">weight</th><th scope="col"><span class="sr">picture</span></th></tr></thead>
      <tbody>${shown.map((j) => html`<tr class=${j === key ? "lead-row" : ""}><td>${j}</td><th scope="row"><button class="quiet key-word" @click=${() => chooseCell(this.store, r.query, j)}><bdi>${groupLabel(k.columns, [j, j + 1])}</bdi></button></th><td>${figure(r.dot[j]!)}</td><td>${figure(r.score[j]!)}</td><td>${weightText(r.weight[j]!)}</td><td class="bar-cell wide"><span class="pair-bar" .style=${`--a:${r.weight[j]! || 0};--b:0`}><i></i></span></td></tr>`)}</tbody></table>`,
    );
  }
}
define("qkv-neuron-view", NeuronView);
