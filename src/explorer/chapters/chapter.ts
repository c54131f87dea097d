/** @file A chapter as a page: words beside the explorer's own views and live numbers. */
import "../app/styles/prose.css";
import "../app/styles/chapters.css";
import { html, nothing, type TemplateResult } from "lit";
import type { KindView, RunView } from "../engine/protocol.js";
import type { StreamShown } from "../engine/play.js";
import { chapters } from "./texts.js";
import type { Block, Chapter, Live } from "./blocks.js";
import { inline } from "./inline.js";
import { pages } from "../pages.js";
import { lazy } from "../views/lazy.js";
import { define, View } from "../views/base.js";
import { closed, openModel } from "../views/closed.js";
import { waiting } from "../views/waiting.js";
import "./block-view.js";
import "./checklist-view.js";
import "./code.js";
import "./numbers-view.js";
import "./play.js";
import "./predict.js";
import "./slopes-view.js";

/** The tag of a chapter's page; defined when first asked for. */
export function chapterTag(id: string): string {
  const found = chapters.find((c) => c.id === id);
  if (!found) throw new Error(`no chapter ${id}`);
  const own: Chapter = found;
  const name = `qkv-chapter-${id}`;
  define(
    name,
    class extends ChapterPage {
      override readonly chapter: Chapter = own;
    },
  );
  return name;
}

abstract class ChapterPage extends View {
  abstract readonly chapter: Chapter;
  /** The model that the chapter was begun with. */
  #begun = "";

  /** Once there is a run, and again for another model: the chapter's own text and head, where the model can read them. */
  #begin(run: RunView): void {
    if (this.#begun === run.model.id) return;
    const again = this.#begun !== "";
    this.#begun = run.model.id;
    const first = this.chapter.blocks.find((b) => "view" in b && b.set);
    if (!first || !("view" in first) || !first.set || !run.model.runs) return;
    const { text, kind, ...rest } = first.set;
    const two = run.kinds.some((k) => k.kind === "decoder");
    const reads = text !== undefined && !foreign(run) && (!again || this.store.choice.peek().text === text);
    this.store.change({
      ...(!again && rest),
      ...(reads && { text: two ? `${text} => ${text}` : text }),
      ...(kind === "decoder" && two && { kind }),
    });
  }

  /** Under a picture whose text is not the chapter's: why. */
  #otherText(text: string | undefined): TemplateResult | typeof nothing {
    const run = this.store.shown.value;
    const why = text !== undefined && run && run.text !== text ? foreign(run) : undefined;
    return why ? html` <span data-testid="own-text">${why}, so your own text stays; the sentence meant is “${text}”.</span>` : nothing; // biome-ignore format: one sentence
  }

  override render(): TemplateResult {
    const { chapter, store } = this;
    const own = pages.filter((p) => p.group === "chapter");
    const at = own.findIndex((p) => p.id === chapter.id);
    const go = (id: string): void => store.change({ page: id }, "push");
    const run = store.shown.value;
    if (run) queueMicrotask(() => this.#begin(run));
    const reading = store.run.value;
    return html`<article class="page chapter">
      <h2>${chapter.title}</h2>
      ${run && reading.state === "failed" ? html`<div class="note" role="alert"><p>${reading.message}</p><p>What is shown below is still the last reading, “${run.text}” in ${run.model.name}. <button @click=${() => go("explore")}>To the text</button></p></div>` : nothing}
      ${chapter.blocks.map((b) => this.#block(b))}
      <nav class="turn" aria-label="Chapters">
        ${at > 0 ? html`<button @click=${() => go(own[at - 1]!.id)}>← ${own[at - 1]!.title}</button>` : html`<span></span>`}
        ${at + 1 < own.length ? html`<button @click=${() => go(own[at + 1]!.id)}>${own[at + 1]!.title} →</button>` : nothing}
      </nav>
    </article>`; // biome-ignore format: one template
  }

  #block(b: Block): TemplateResult {
    if ("p" in b) return html`<p>${inline(b.p)}</p>`;
    if ("heading" in b) return html`<h3>${b.heading}</h3>`;
    if ("code" in b) return html`<pre class="code" tabindex="0"><code>${b.code}</code></pre>`;
    if ("ask" in b)
      return html`<qkv-predict .ask=${b.ask} .choices=${b.choices} .right=${b.right} .answer=${b.answer}></qkv-predict>`;
    if ("run" in b) return html`<qkv-code .start=${b.run} .name=${b.name}></qkv-code>`;
    if ("wrong" in b)
      return html`<dl class="correction"><dt>often said</dt><dd>${inline(b.wrong)}</dd><dt>right</dt><dd>${inline(b.right)}</dd></dl>`;
    if ("link" in b)
      return html`<p><button class="primary" @click=${() => this.store.change({ page: b.page }, "push")}>${b.link}</button></p>`;
    if ("live" in b) return this.#live(b.live);
    return html`<figure class="embedded"><figcaption>${b.says}${this.#otherText(b.set?.text)}</figcaption>${embedded[b.view]()}</figure>`;
  }

  #live(name: Live): TemplateResult {
    const { store } = this;
    if (name === "play") return html`<qkv-play></qkv-play>`;
    if (name === "scale") return html`<qkv-scale-view></qkv-scale-view>`;
    if (name === "slopes") return html`<qkv-slopes-view></qkv-slopes-view>`;
    if (name === "resting") return html`<qkv-resting-view></qkv-resting-view>`;
    if (name === "block") return html`<qkv-block-view></qkv-block-view>`;
    if (name === "checklist") return html`<qkv-checklist-view></qkv-checklist-view>`;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    if (name === "mask") return html`<p data-testid="mask">${maskWords(run, k)}</p>`;
    if (name === "shapes") {
      const rows: [string, string, string][] = [
        ["q", `[1, ${k.heads}, ${k.queries}, ${k.headDim}]`, "what each token looks for, a row a token in each head"],
        [
          "k",
          `[1, ${k.keyHeads}, ${k.keys}, ${k.headDim}]`,
          k.keyHeads < k.heads ? "what it can be found by; heads are shared in groups" : "what it can be found by",
        ],
        ["v", k.hasValues ? `[1, ${k.keyHeads}, ${k.keys}, ${k.headDim}]` : "not recorded", "what it hands over"],
        ["scores, weights", `[1, ${k.heads}, ${k.queries}, ${k.keys}]`, "never stored: rebuilt where somebody looks"],
        ["row sums", `[1, ${k.heads}, ${k.queries}]`, "ln Σ e^score, all that is kept of a row"],
        ["merged", `[1, ${k.queries}, ${k.heads * k.headDim}]`, "all heads side by side, before W_O"],
      ];
      return facts(`${run.model.name}, ${k.layers.length} layers`, rows);
    }
    if (name === "cost") {
      const [n, m, d, h] = [k.queries, k.keys, k.headDim, k.heads];
      const width = h * d;
      const own = 2 * n * width * width; // q and o
      const shared = 2 * m * width * k.keyHeads * d; // k and v
      const grouped = k.keyHeads < h;
      const rows: [string, string, string][] = [
        ["scores and mixing", count(2 * h * n * m * d), `multiply-adds a layer: 2 · heads · ${n === m ? "N²" : "N · M"} · d`],
        ["projections q, k, v, o", count(own + shared), `multiply-adds a layer: ${grouped ? "2 · N · D² + 2 · N · D · key heads · d" : "4 · N · D²"}, D = heads · d`],
        ["all maps, if stored", bytes(4 * h * n * m * k.layers.length), `4 · heads · ${n === m ? "N²" : "N · M"} · layers bytes`],
        ["what is stored instead", bytes(4 * (n * (width + h) + m * k.keyHeads * d) * k.layers.length), "q, k and one number a row"],
        ...(n === m ? [["they cost the same at", `N = ${width + k.keyHeads * d}`, "from there on the quadratic part is the larger one"] as [string, string, string]] : []),
      ]; // biome-ignore format: a table
      return facts(n === m ? `N = ${n} tokens` : `N = ${n} tokens look at M = ${m}`, rows);
    }
    if (name === "stream") {
      if (!run.hasHiddenStates)
        return html`<p class="soft">${closed(run.model) ?? "This run holds no hidden states."} What stands between the layers is not in it. ${openModel}</p>`;
      const answer = store.ask<StreamShown>(
        `stream ${run.id} ${k.kind}`,
        () => store.engine.lab("stream", { run: run.id, kind: k.kind }) as Promise<StreamShown>,
      ).value;
      if (answer.state !== "ready") return waiting(answer, "Measuring");
      const rows = answer.value.layers.map(({ length, added }, l): [string, string, string] => [
        l === 0
          ? "embedding"
          : `after block ${l - 1}${answer.value.normed && l === answer.value.layers.length - 1 ? ", normed" : ""}`,
        length.toFixed(2),
        added === null ? "mean length of a token's vector" : `changed by a vector of length ${added.toFixed(2)}`,
      ]);
      return facts(`${answer.value.width} numbers a token`, rows);
    }
    const answer = store.ask(`badges ${run.id} ${k.kind}`, () =>
      store.engine.badges({ run: run.id, kind: k.kind }),
    ).value;
    if (answer.state !== "ready") return waiting(answer, "Checking");
    return html`<ul class="checks">${answer.value.map((b) => html`<li class=${b.ok ? "ok" : "bad"}><b>${b.ok ? "✓" : "✗"} ${b.name}</b><br><span class="soft">${b.says}</span></li>`)}</ul>`;
  }
}

/** Why a sentence of ours cannot be read by what is open. */
function foreign({ model: { name, readsIds, runs } }: RunView): string | undefined {
  if (!runs) return `${name} is a recording of another text`;
  return readsIds ? `${name} has no tokenizer and reads token ids` : undefined;
}

/** What the mask of the open run hides. */
function maskWords(run: RunView, k: KindView): string {
  const name = `${run.model.name}${k.kind === "self" ? "" : `, ${k.kind}`}`;
  if (k.causal && k.queries === k.keys)
    return `In ${name}: the ${count((k.queries * (k.queries - 1)) / 2)} pairs above the diagonal, of ${count(k.queries * k.keys)}, are absent in every head of every layer.`;
  return `In ${name}: nothing is hidden. All ${count(k.queries * k.keys)} pairs may attend, as in every encoder, which is not asked what comes next; so no pair is hatched for the future's sake. The triangle stands in a GPT, a Llama, the decoder of a T5 or the bundled model: open one of them above.`;
}

const embedded: Record<"text" | "lines" | "map" | "heads" | "neuron", () => TemplateResult> = {
  text: () => html`<qkv-text-view></qkv-text-view>`,
  lines: () => lazy(() => import("../views/lines-view.js"), html`<qkv-lines-view></qkv-lines-view>`),
  map: () => lazy(() => import("../views/map-view.js"), html`<qkv-map-view></qkv-map-view>`),
  heads: () => html`<qkv-heads large></qkv-heads>`,
  neuron: () => lazy(() => import("../views/neuron-view.js"), html`<qkv-neuron-view></qkv-neuron-view>`),
};

const facts = (
  caption: string,
  rows: [string, string, string][],
): TemplateResult => html`<div class="scrolls" tabindex="0" role="group" aria-label=${caption}><table class="facts"><caption>${caption}</caption>
  <tbody>${rows.map(([name, value, says]) => html`<tr><th scope="row">${name}</th><td>${value}</td><td class="says">${says}</td></tr>`)}</tbody></table></div>`;

const count = (x: number): string =>
  x >= 1e9 ? `${(x / 1e9).toFixed(2)} billion` : x >= 1e6 ? `${(x / 1e6).toFixed(2)} million` : x.toLocaleString("en");
const bytes = (x: number): string =>
  x >= 1e9 ? `${(x / 1e9).toFixed(2)} GB` : x >= 1e6 ? `${(x / 1e6).toFixed(2)} MB` : `${(x / 1e3).toFixed(1)} kB`;
