/**
 * @file A text too long for finished maps: the row of one token, computed when it is asked, shades the part of the text
 * around it. The rest is reached by walking on; the table names the strongest keys wherever they stand.
 */
import { html, nothing, type TemplateResult } from "lit";
import type { Group, KindView, LayerMaps } from "../engine/protocol.js";
import { tokenLabel, weightText } from "../scene/tokens.js";
import { headOf, layerOf } from "../state/actions.js";
import { define, View } from "./base.js";
import { legend } from "./legend.js";
import { rowTable } from "./row-table.js";
import { directionOf, tokenButton } from "./token.js";
import { failure, waiting } from "./waiting.js";

/** Tokens shown at once: as many as are laid out within a frame or two. */
const shown = 600;

class LongText extends View {
  static override properties = { from: { state: true } };
  /** First token shown. */
  declare from: number;
  #row: { run: number; asked: number; weights: Float32Array } | undefined;
  #around = -1;

  constructor() {
    super();
    this.from = 0;
  }

  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const run = store.shown.value;
    if (!k || !run) return waiting(store.run.value, "Reading the text");
    if (k.kind === "cross")
      return html`<p class="empty">${k.queries.toLocaleString("en")} × ${k.keys.toLocaleString("en")} tokens are too many to shade one by one. The Map view shows all of them.</p>`;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const pointed = store.focus.value.query ?? store.choice.value.query;
    const asked = pointed >= 0 && pointed < k.queries ? pointed : k.queries - 1;
    const at = { run: run.id, kind: k.kind, layer, head, query: asked };
    const answer = store.ask(`row ${JSON.stringify(at)}`, () => store.engine.row(at)).value;
    if (answer.state === "failed") return failure(answer.message);
    if (answer.state === "ready") this.#row = { run: run.id, asked, weights: answer.value };
    const row = this.#row?.run === run.id ? this.#row : undefined; // the one before stands in until the next has come
    if (!row) return waiting(answer, "Computing the row");
    this.#follow(store.choice.value.query, k.queries);
    return this.#passage(k, row);
  }

  /** The part shown moves along with what is chosen, not with what is pointed at. */
  #follow(chosen: number, all: number): void {
    const at = chosen >= 0 ? chosen : all - 1;
    if (at === this.#around) return;
    this.#around = at;
    if (at < this.from || at >= this.from + shown) this.#go(at - shown / 2, all);
  }
  #go(from: number, all: number): void {
    this.from = Math.max(0, Math.min(Math.floor(from), all - shown));
  }

  #passage(k: KindView, { asked, weights }: { asked: number; weights: Float32Array }): TemplateResult {
    const [from, to] = [this.from, Math.min(k.keys, this.from + shown)];
    const count = (n: number): string => n.toLocaleString("en");
    let best = -1;
    weights.forEach((w, j) => { if (w > (weights[best] ?? -1)) best = j; }); // biome-ignore format: one line
    const { filter, weighted } = this.store.choice.value;
    const plain = !weighted && !Object.values(filter).some(Boolean);
    return html`
      <div class="text-head">
        <p class="lead" id="text-lead">${best < 0 ? "This token may look at nothing." : html`<bdi class="query-word">${tokenLabel(k.rows[asked]!)}</bdi> looks most at <bdi class="key-word">${tokenLabel(k.columns[best]!)}</bdi> <span class="figure">${weightText(weights[best]!)}</span>`}</p>
        <div class="segments" role="group" aria-label="Part of the text">
          <button ?disabled=${from === 0} @click=${() => this.#go(from - shown, k.keys)}>earlier</button>
          <button ?disabled=${to === k.keys} @click=${() => this.#go(from + shown, k.keys)}>later</button>
        </div>
      </div>
      <p class="soft small" data-testid="part">Tokens ${count(from)} to ${count(to - 1)} of ${count(k.keys)}.${plain ? nothing : " Tokens stand as the model reads them: nothing is hidden, merged or weighed in a text of this length."}</p>
      <div class="passage long" dir=${directionOf(k.columns.slice(from, to))} role="group" aria-labelledby="text-lead" @pointerleave=${() => { this.store.focus.value = {}; }}>
        ${k.columns.slice(from, to).map((t, n) => tokenButton(this.store, { label: tokenLabel(t), n: from + n, token: from + n, weight: weights[from + n]!, asked: from + n === asked, breaks: t.text.startsWith("\n"), starts: t.startsWord }))}
      </div>
      ${legend(this.store, k, "grey")}
      ${rowTable(k, oneRow(k, asked, weights), 0, 0, "What it looks at most")}`; // biome-ignore format: one template
  }
}

/** A row as the map of a layer with one head and one query. */
function oneRow(k: KindView, asked: number, values: Float32Array): LayerMaps {
  const columns = Array.from(values, (_, j): Group => [j, j + 1]);
  return { kind: k.kind, layer: 0, heads: 1, rows: [[asked, asked + 1]], columns, values };
}
define("qkv-long-text", LongText);
