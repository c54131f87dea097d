/** @file The efficient lab: a mechanism laid over one head of the reader's own text: mask, mass kept, error per query, cost. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { EfficientAsked, EfficientShown } from "../engine/efficient.js";
import type { TimesAsked, TimesStep } from "../engine/efficient-times.js";
import type { KindView } from "../engine/protocol.js";
import { percent, tokenLabel } from "../scene/tokens.js";
import { headOf, layerOf } from "../state/actions.js";
import { define, View } from "../views/base.js";
import "../views/plain-map.js";
import { Stoppable } from "../views/stoppable.js";
import { failure, waiting } from "../views/waiting.js";
import { chart } from "./chart.js";
import { choices } from "./choices.js";
import { headTools } from "./head-tools.js";

export const tag = "qkv-efficient-lab";

interface Choice {
  id: string;
  name: string;
  says: string;
  /** What the slider is, with its range; none where there is nothing to choose. */
  size?: { name: string; from: number; to: number; step: number; start: number };
}
const offers: readonly Choice[] = [
  { id: "slidingWindow", name: "Window", says: "each token sees its neighbours; nothing else exists (Longformer's local part, Mistral)", size: { name: "window", from: 1, to: 128, step: 1, start: 8 } },
  { id: "strided", name: "Strided", says: "neighbours and every l-th token (Sparse Transformer, Child et al. 2019)", size: { name: "stride", from: 2, to: 64, step: 1, start: 6 } },
  { id: "fixed", name: "Fixed", says: "its own block and the summaries at the ends of earlier blocks (Child et al. 2019)", size: { name: "block", from: 2, to: 64, step: 1, start: 6 } },
  { id: "longformer", name: "Longformer", says: "a window, and token 0 sees all and is seen by all (Beltagy et al. 2020)", size: { name: "window", from: 1, to: 128, step: 1, start: 6 } },
  { id: "bigBird", name: "BigBird", says: "neighbouring, first, last and random blocks (Zaheer et al. 2020)", size: { name: "block", from: 2, to: 32, step: 1, start: 4 } },
  { id: "topKBlocks", name: "Top blocks", says: "its own block and the block whose mean key fits best (MoBA, Lu et al. 2025)", size: { name: "block", from: 2, to: 32, step: 1, start: 4 } },
  { id: "streaming", name: "Sink + window", says: "the first token and a rolling window (Xiao et al. 2024)", size: { name: "window", from: 1, to: 128, step: 1, start: 8 } },
  { id: "dilated", name: "Dilated", says: "a window of every second token: twice the reach at the same price (Longformer's dilated heads)", size: { name: "each way", from: 1, to: 64, step: 1, start: 6 } },
  { id: "reformer", name: "LSH buckets", says: "tokens that hash alike meet in sorted chunks (Reformer, Kitaev et al. 2020)", size: { name: "chunk", from: 2, to: 64, step: 1, start: 8 } },
  { id: "linformer", name: "Low rank", says: "keys and values mixed into a few first; random mixtures here, learned ones in the paper (Linformer, Wang et al. 2020)", size: { name: "rank", from: 2, to: 128, step: 2, start: 16 } },
  { id: "performer", name: "Performer", says: "all keys, roughly: random features of the softmax kernel (Choromanski et al. 2021)", size: { name: "features", from: 8, to: 512, step: 8, start: 64 } },
  { id: "linearAttention", name: "Linear", says: "all keys, but not softmax: φ(q)·φ(k) with φ = elu + 1 (Katharopoulos et al. 2020)" },
]; // biome-ignore format: a table

/** These see all keys, wherever they stand. */
const placeless = ["linformer", "performer", "linearAttention"];

class EfficientLab extends View {
  readonly #work = new Stoppable(this, (what) => `The measuring stopped: ${what}`);
  /** What was measured, for the mechanism and size it was measured with. */
  #times: { of: string; steps: TimesStep[] } = { of: "", steps: [] };

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const x = store.choice.value.extra;
    const cross = k.kind === "cross";
    const offered = cross ? offers.filter((c) => placeless.includes(c.id)) : offers;
    const m = offered.find((c) => c.id === x["mechanism"]) ?? offered[0]!;
    const size = m.size ? Math.min(m.size.to, Math.max(m.size.from, Number(x["size"] ?? m.size.start))) : 0;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const asked: EfficientAsked = { run: run.id, kind: k.kind, layer, head, mechanism: m.id, size };
    const answer = store.ask(
      `efficient ${JSON.stringify(asked)}`,
      () => store.engine.lab("efficient", asked) as Promise<EfficientShown>,
    ).value;
    return html`<article class="page lab">
      <h2>Efficient lab</h2>
      <p class="lead">Comparing every pair costs N². Each of these compares fewer, or all of them roughly. What is lost depends on the head: here is layer ${layer}, head ${head} of ${run.model.name}, on your text.</p>
      ${choices({ name: "mechanism", label: "Mechanisms", groups: [{ items: offered }], current: m.id, choose: (id, step) => store.change({ extra: { ...x, mechanism: id, size: String(offered.find((c) => c.id === id)!.size?.start ?? 0) } }, step) })}
      <p>${m.name}: ${m.says}.${cross ? " The others choose keys by where they stand beside the query; in cross-attention the two stand in different texts, so only those without places can be laid over it." : ""}</p>
      <div class="tools">
        ${m.size ? html`<label class="slider">${m.size.name} <input id="size" type="range" min=${m.size.from} max=${m.size.to} step=${m.size.step} .value=${String(size)} @input=${(e: Event) => store.change({ extra: { ...x, size: (e.target as HTMLInputElement).value } })} /><output>${size}</output></label>` : nothing}
        ${headTools(store, run, k)}
      </div>
      ${!k.hasScores || !k.hasValues ? html`<p class="empty">${k.hasScores ? "The values v are not in this recording, and an output’s error cannot be told without them. Record it with them: qkv trace … --values" : "Finished maps are all there is here: without q, k and v no mechanism can be laid over them."}</p>` : answer.state === "failed" ? failure(answer.message) : answer.state === "ready" ? this.#result(answer.value, k, m, size) : waiting(answer, "Computing both")}
    </article>`; // biome-ignore format: one template
  }

  #result(r: EfficientShown, k: KindView, m: Choice, size: number): TemplateResult {
    const roughly = placeless.includes(m.id);
    const [labels, columns] = [k.rows.map(tokenLabel), k.columns.map(tokenLabel)];
    const points = (values: Float32Array): { x: number; y: number }[] => Array.from(values, (y, x) => ({ x, y }));
    const asked: TimesAsked = { mechanism: m.id, size, headDim: k.headDim, causal: r.causal };
    const times = this.#times.of === JSON.stringify(asked) ? this.#times.steps : [];
    const here = { length: k.keys, exact: r.exactMilliseconds, own: r.milliseconds };
    const measured = (length: number): TimesStep | undefined =>
      times.find((t) => t.length === length) ?? (length === k.queries ? here : undefined);
    const ms = (x: number | undefined): string => (x === undefined ? "–" : x.toFixed(x < 10 ? 2 : 0));
    const timed = (which: "exact" | "own"): { x: number; y: number }[] => times.flatMap((t) => (t[which] === undefined ? [] : [{ x: t.length, y: t[which] }])); // biome-ignore format: one list
    return html`
      <p class="lead" data-testid="efficient">${roughly ? "All keys are seen." : html`It keeps <span class="figure">${percent(r.totalKept)}</span> of the weight.`} The output is off by <span class="figure">${percent(r.totalError)}</span>, against ${r.against}.${r.model ? html` Against this model’s own attention ${roughly ? nothing : html`it keeps <span class="figure">${percent(r.model.totalKept)}</span> and `}it is off by <span class="figure" data-testid="model-error">${percent(r.model.totalError)}</span>.` : nothing}${r.notes.map((n) => html` <span class="soft">(The text ${n}.)</span>`)}</p>
      <div class="two-up"><figure><figcaption>Exact</figcaption><qkv-plain-map .map=${{ rows: labels, columns, values: r.exact, says: "Exact attention.", height: 360 }}></qkv-plain-map></figure>
      <figure><figcaption>${m.name}${roughly ? "" : ": hatched is never looked at"}</figcaption><qkv-plain-map .map=${{ rows: labels, columns, values: r.map, says: `The effective map of ${m.name}.`, height: 360 }}></qkv-plain-map></figure></div>
      <div class="two-up charts">
        ${chart({ title: r.model ? "Query by query; vs model: error against the model’s own attention" : "Query by query", x: "query", y: "share", top: Math.ceil(Math.max(1, ...r.error, ...(r.model?.error ?? []))), lines: [...(roughly ? [] : [{ name: "kept", colour: "var(--line-b)", points: points(r.kept) }]), { name: "error", colour: "var(--line-a)", dash: "7 3", points: points(r.error) }, ...(r.model ? [{ name: "vs model", colour: "var(--line-c)", dash: "2 3", points: points(r.model.error) }] : [])] })}
        ${chart({ title: "Multiply-adds of one head, counted by the code that runs", x: "tokens", y: "multiply-adds", logX: true, logY: true, lines: [{ name: "exact", colour: "var(--line-c)", points: r.cost.map((c) => ({ x: c.length, y: c.exact })) }, { name: m.name, colour: "var(--line-a)", dash: "7 3", points: r.cost.map((c) => ({ x: c.length, y: c.own })) }] })}
      </div>
      <p class="buttons">${this.#work.busy ? this.#work.button : html`<button id="measure" @click=${() => this.#measure(asked)}>Measure up to 10,000 tokens here</button>`} <span class="soft" role="status" data-testid="times">${this.#work.busy ? `Measuring; ${times.length} of ${r.cost.length - 1} lengths done.` : ""}</span></p>
      ${this.#work.alarm}
      ${times.length > 1 ? html`<div class="two-up charts">${chart({ title: "Milliseconds of one head, measured here", x: "tokens", y: "ms", logX: true, logY: true, lines: [{ name: "exact", colour: "var(--line-c)", points: timed("exact") }, { name: m.name, colour: "var(--line-a)", dash: "7 3", points: timed("own") }] })}<p class="soft">Measured one after the other on normal numbers in this page's worker, one thread, the median of up to nine runs; what took over a second and a half is not run at the next length (–). Arithmetic is not time: reading memory in order, which exact attention does, can be quicker than skipping about in it.</p></div>` : nothing}
      <div class="scrolls" tabindex="0" role="group" aria-label="Costs"><table class="numbers" data-testid="cost"><caption>What one head costs. On these ${sizeOf(k)} tokens, measured: ${m.name} ${r.milliseconds.toFixed(2)} ms, exact ${r.exactMilliseconds.toFixed(2)} ms</caption><thead><tr><th scope="col">tokens</th><th scope="col">FLOP exact</th><th scope="col">FLOP ${m.name}</th><th scope="col">less by</th><th scope="col">read and written, exact</th><th scope="col">${m.name}</th><th scope="col">an N × N map would be</th><th scope="col">ms exact</th><th scope="col">ms ${m.name}</th></tr></thead>
        <tbody>${r.cost.map((c) => html`<tr><td>${c.length.toLocaleString("en")}</td><td>${million(2 * c.exact)}</td><td>${million(2 * c.own)}</td><td>${(c.exact / c.own).toFixed(1)}×</td><td>${megabytes(c.exactBytes)}</td><td>${megabytes(c.ownBytes)}</td><td>${megabytes(c.mapBytes)}</td><td>${ms(measured(c.length)?.exact)}</td><td>${ms(measured(c.length)?.own)}</td></tr>`)}</tbody></table></div>
      <p class="soft">Exact attention in this library never stores that map either: memory is O(N), only the arithmetic is N². More on your own data: <code>qkv compare</code>.</p>`; // biome-ignore format: one template
  }

  async #measure(asked: TimesAsked): Promise<void> {
    const times = { of: JSON.stringify(asked), steps: [] as TimesStep[] };
    this.#times = times;
    const onStep = (step: unknown): void => {
      times.steps.push(step as TimesStep);
      this.requestUpdate();
    };
    await this.#work.start(async ({ signal }) => {
      await this.store.engine.lab("efficientTimes", asked, { signal, onStep });
    });
  }
}

const sizeOf = ({ queries, keys }: KindView): string => (queries === keys ? `${queries}` : `${queries} × ${keys}`);
const megabytes = (n: number): string => `${(n / 1e6).toFixed(n < 1e6 ? 2 : 1)} MB`;
const million = (n: number): string =>
  `${(n / 1e6).toLocaleString("en", { maximumFractionDigits: n < 1e7 ? 2 : 0 })} M`;
define(tag, EfficientLab);
