/** @file Over many texts: what each head does in one corpus and in another, with intervals; one text misleads. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { CorpusHead, CorpusShown, CorpusStep } from "../engine/corpus.js";
import { visible } from "../scene/tokens.js";
import { define, View } from "../views/base.js";
import { Stoppable } from "../views/stoppable.js";
import { prose, repeats } from "./corpus-texts.js";

export const tag = "qkv-corpus-lab";

interface Part {
  name: string;
  texts: Blob | string;
}

class CorpusLab extends View {
  static override properties = {
    step: { state: true },
    parts: { state: true },
    at: { state: true },
  };
  declare step: CorpusStep | undefined;
  declare parts: Part[];
  declare at: string;
  readonly #work = new Stoppable(this, (what) => `The reading stopped: ${what}`);

  constructor() {
    super();
    this.at = "";
    this.parts = [{ name: "prose", texts: prose.join("\n") }, { name: "repeats", texts: repeats.join("\n") }]; // biome-ignore format: two parts
  }
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    return html`<article class="page lab">
      <h2>Over many texts</h2>
      <p class="lead">A head that looks one token back in your sentence may do it in every sentence, or in this one only. Here each score of each head is a mean over many texts, with its 95 % interval, and two corpora stand side by side. Texts stream through, one a line, and are forgotten.</p>
      <p class="ask"><b>Before you run it:</b> which heads of ${run?.model.name ?? "the model"} will do the same in prose and in texts that repeat themselves? Which cannot show what they do in prose at all?</p>
      <div class="tools">
        ${this.parts.map((p, n) => html`<label class="file">${n === 0 ? "first" : "second"} corpus: ${p.name} <input type="file" id=${`corpus-${n}`} accept=".txt,.csv,.tsv,.jsonl,text/plain" @change=${(e: Event) => this.#pick(n, e)} /></label>`)}
      </div>
      <p>${this.#work.busy ? this.#work.button : html`<button class="primary" id="read" ?disabled=${!run?.model.runs} @click=${() => this.#start()}>Read them</button>`}
        <span class="soft" role="status" data-testid="corpus-state">${this.step ? this.step.corpora.map((c) => `${c.name}: ${c.texts.toLocaleString("en")} texts, ${c.tokens.toLocaleString("en")} tokens${c.skipped > 0 ? ` (${c.skipped} too short)` : ""}`).join("; ") : ""}${run && !run.model.runs ? "A recorded trace reads no other text; choose a model." : ""}</span></p>
      ${this.#work.alarm}
      ${this.step ? this.#result(this.step) : nothing}
    </article>`; // biome-ignore format: one template
  }

  #pick(n: number, event: Event): void {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (file) this.parts = this.parts.map((p, i) => (i === n ? { name: file.name, texts: file } : p));
  }

  async #start(): Promise<void> {
    const model = this.store.shown.peek()?.model.id;
    if (!model) return;
    this.step = undefined;
    const onStep = (step: unknown): void => { this.step = step as CorpusStep; }; // biome-ignore format: one line
    await this.#work.start(async ({ signal }) => {
      onStep(await this.store.engine.lab("corpus", { model, corpora: this.parts }, { signal, onStep }));
    });
  }

  #result({ corpora, types }: CorpusStep): TemplateResult {
    const [a, b] = corpora as [CorpusShown, CorpusShown | undefined];
    const name = (id: string | undefined): string => types.find((t) => t.id === id)?.name ?? "none of these";
    const score = (h: CorpusHead | undefined, id: string | undefined): TemplateResult => {
      const s = id ? h?.scores[id] : undefined;
      return s
        ? html`<span class="number">${s.mean.toFixed(2)}</span> <span class="soft">± ${Number.isNaN(s.half) ? "?" : s.half.toFixed(2)}${id === "broad" || Number.isNaN(s.chance) ? "" : `, chance ${s.chance.toFixed(2)}`}</span>`
        : html`<span class="soft">–</span>`;
    };
    const rows = a.heads.map((h) => ({ h, other: b?.heads.find((x) => x.layer === h.layer && x.head === h.head) }));
    const changed = rows.filter(({ h, other }) => other && changesJob(h, other));
    const chosen = rows.find(({ h }) => `${h.layer} ${h.head}` === this.at);
    return html`
      <p class="lead" data-testid="changed">${b ? html`${changed.length === 0 ? "No head changes its job" : changed.length === 1 ? "One head changes its job" : `${changed.length} heads change their jobs`} between ${a.name} and ${b.name}${changed.length > 0 ? `: ${changed.map(({ h }) => `${h.layer}.${h.head}`).join(", ")}` : ""}.` : `Reading ${a.name}…`}</p>
      <div class="scrolls" tabindex="0" role="group" aria-label="Jobs of heads"><table class="numbers"><caption>The job of each head: the score furthest above its chance level, with its 95 % interval</caption>
        <thead><tr><th scope="col">head</th><th scope="col" class="word">in ${a.name}</th><th scope="col">score</th>${b ? html`<th scope="col" class="word">in ${b.name}</th><th scope="col">score</th>` : nothing}<th scope="col">texts</th></tr></thead>
        <tbody>${rows.map(({ h, other }) => html`<tr class=${other && changesJob(h, other) ? "changes" : ""}><th scope="row">${h.layer}.${h.head}</th><td class="word">${name(h.best)}</td><td>${score(h, h.best)}</td>${b ? html`<td class="word">${other ? name(other.best) : "–"}${other && changesJob(h, other) ? html` <b>changed</b>` : nothing}</td><td>${score(other, other?.best)}</td>` : nothing}
          <td><button aria-pressed=${this.at === `${h.layer} ${h.head}`} aria-label=${`show texts of head ${h.layer}.${h.head}`} @click=${() => { this.at = `${h.layer} ${h.head}`; }}>show</button></td></tr>`)}</tbody></table></div>
      ${chosen ? html`<section class="block" aria-label="Top texts"><h3>Head ${chosen.h.layer}.${chosen.h.head}: where it shows most</h3>
        ${[{ c: a, h: chosen.h }, ...(b && chosen.other ? [{ c: b, h: chosen.other }] : [])].map(({ c, h }) => html`<h4>${c.name}: ${name(h.best)}</h4><ol>${h.top.map((t) => html`<li><span class="number">${t.score.toFixed(2)}</span> <bdi>${visible(t.text)}</bdi> <button @click=${() => this.store.change({ page: "explore", text: t.text, layer: h.layer, head: h.head, view: "map" }, "push")}>open</button></li>`)}</ol>`)}</section>` : nothing}
      <p class="soft small" data-testid="memory">Kernel memory between two texts: ${(corpora.at(-1)!.bytes / 1e6).toFixed(1)} MB, however many there are.</p>`; // biome-ignore format: one template
  }
}

/** Another habit leads, and its lead is no accident: the intervals of the old one do not touch. */
function changesJob(a: CorpusHead, b: CorpusHead): boolean {
  if (a.best === b.best) return false;
  const id = a.best ?? b.best!;
  const [x, y] = [a.scores[id], b.scores[id]];
  if (!x || !y) return true; // one corpus cannot show it at all
  return Math.abs(x.mean - y.mean) > (x.half || 0) + (y.half || 0);
}
define(tag, CorpusLab);
