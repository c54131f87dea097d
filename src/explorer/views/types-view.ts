/**
 * @file Head types and the head finder: every head scored for a habit against chance, as a grid, as a scatter of two
 * scores, as a table. A head chosen here is the head everywhere.
 */
import "../app/styles/grids.css";
import "../app/styles/drawings.css";
import { html, nothing, svg, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { colourAt, css, inkOn, rampOf } from "../draw/colour.js";
import type { FinderShown } from "../engine/finder.js";
import type { PositionalShown } from "../engine/positional.js";
import type { HeadTypesView } from "../engine/protocol.js";
import { chooseHead, headOf, layerOf } from "../state/actions.js";
import { define, View } from "./base.js";
import { framed } from "./framed.js";
import { askFinder } from "./finder-view.js";
import { linearLegend } from "./legend.js";
import { mark } from "./mark.js";
import { waiting } from "./waiting.js";

class TypesView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const types = store.types();
    if (!k) return waiting(store.run.value, "Reading the text");
    if (types?.state !== "ready") return waiting(types, "Scoring every head");
    const finder = askFinder(store);
    const view = this.#view(types.value, finder?.state === "ready" ? finder.value : undefined, this.#positional());
    void [layerOf(store, k), headOf(store, k)]; // the mark follows, in updated()
    const c = store.choice.value;
    const usable = view.types.filter((t) => view.heads.some((h) => Number.isFinite(h.scores[t.id])));
    if (usable.length === 0)
      return html`<p class="empty">On ${k.queries === 1 ? "a single token" : "this text"} no habit can be measured: a head has nothing to choose from. A longer text shows what each head does.</p>`;
    const pick = (name: string, fallback: string): string =>
      usable.some((t) => t.id === c.extra[name])
        ? c.extra[name]!
        : usable.some((t) => t.id === fallback)
          ? fallback
          : usable[0]!.id;
    const [x, y] = [pick("typeX", "previous"), pick("typeY", "induction")];
    const set =
      (name: string) =>
      (e: Event): void =>
        store.change({ extra: { ...c.extra, [name]: (e.target as HTMLSelectElement).value } }, "push");
    const choose = (name: string, now: string, label: string): TemplateResult =>
      html`<label>${label} <select id=${name} @change=${set(name)}>${usable.map((t) => html`<option value=${t.id} ?selected=${t.id === now}>${t.name}</option>`)}</select></label>`;
    const tx = view.types.find((t) => t.id === x)!;
    return html`
      <div class="tools">${choose("typeX", x, "score")} ${choose("typeY", y, "against")}</div>
      <p class="lead">${tx.name}: ${tx.says}. ${Number.isFinite(tx.chance) ? html`<span class="soft">A uniform head (equal weight on all it sees) scores ${tx.chance.toFixed(3)} on this text.</span>` : nothing}</p>
      ${x.startsWith("induction") || y.startsWith("induction") ? html`<p class="soft small">Three formulas of induction are in use: the mean over repeated tokens, the same counting only weights of 0.3 and more, and the share of the whole map that lies on the pattern. They rank heads differently; choose which.</p>` : nothing}
      ${this.#positionalPart()}
      ${guard(
        [view, x, y, c.scale, store.mode.value],
        () => html`<div class="two-up"><div>${this.#grid(view, x, k.layers, k.heads)} ${linearLegend(store, ["rows are layers, columns heads"])}</div> ${this.#scatter(view, x, y)}</div>
      ${this.#table(view, x)}`,
      )}
      <qkv-finder></qkv-finder>`;
  }

  protected override updated(): void {
    const k = this.store.kind.peek();
    if (k) mark(this, layerOf(this.store, k), headOf(this.store, k));
  }

  #kept: { from: unknown[]; view: HeadTypesView } | undefined;
  #view(...from: Parameters<typeof withMore>): HeadTypesView {
    if (!this.#kept?.from.every((x, n) => x === from[n])) this.#kept = { from, view: withMore(...from) };
    return this.#kept.view;
  }

  /** The answer to "by position alone", once it was asked for. */
  #positional(): PositionalShown | undefined {
    const name = this.#positionalName();
    if (this.store.choice.value.extra["positional"] !== "1" || !name) return undefined;
    const answer = this.#askPositional(name).value;
    return answer.state === "ready" ? answer.value : undefined;
  }
  #positionalName(): string | undefined {
    const run = this.store.shown.value;
    return run?.model.runs ? `positional ${run.id} ${this.store.kind.value!.kind}` : undefined;
  }
  #askPositional(name: string) {
    const { store } = this;
    const [run, kind] = [store.shown.value!.id, store.kind.value!.kind];
    return store.ask(
      name,
      (onProgress) => store.engine.lab("positional", { run, kind }, { onProgress }) as Promise<PositionalShown>,
    );
  }

  #positionalPart(): TemplateResult | typeof nothing {
    const { store } = this;
    const name = this.#positionalName();
    if (!name) return nothing;
    const c = store.choice.value;
    if (c.extra["positional"] !== "1")
      return html`<p class="tools after"><button id="positional" @click=${() => store.change({ extra: { ...c.extra, positional: "1" } }, "push")}>Which heads go by position alone?</button> <span class="soft small">reads the text's words in four other orders and compares the maps</span></p>`;
    const answer = this.#askPositional(name).value;
    if (answer.state === "ready")
      return html`<p class="soft small" data-testid="positional">“By position” compares ${answer.value.texts} orders of the words over ${answer.value.tokens} tokens.</p>`;
    return waiting(answer, "Reading other orders of the words");
  }

  #grid(view: HeadTypesView, x: string, layers: number[], heads: number): TemplateResult {
    const { store } = this;
    const ramp = rampOf(store.choice.value.scale, store.mode.value);
    const at = new Map(view.heads.map((h) => [`${h.layer}.${h.head}`, h.scores[x]!]));
    return html`${framed("Score of each head", html`<table class=${heads > 16 ? "score-grid dense" : "score-grid"}><caption>Score of each head</caption>
      <thead><tr><th scope="col"><span class="sr">layer</span></th>${[...Array(heads).keys()].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead>
      <tbody>${layers.map((l) => html`<tr><th scope="row">${l}</th>${[...Array(heads).keys()].map((h) => {
        const s = at.get(`${l}.${h}`) ?? Number.NaN;
        const colour = colourAt(ramp, Number.isFinite(s) ? s : 0);
        return html`<td><button class="score-cell" aria-pressed="false" data-mark=${`${l}.${h}`} .style=${`background:${css(colour)};color:${inkOn(colour)}`} aria-label=${`layer ${l} head ${h}: ${Number.isFinite(s) ? s.toFixed(2) : "nothing to measure"}`} @click=${() => chooseHead(store, l, h)}>${heads <= 16 ? (Number.isFinite(s) ? s.toFixed(2).replace(/^0/, "") : "") : nothing}</button></td>`;
      })}</tr>`)}</tbody></table>`)}`; // biome-ignore format: one table
  }

  #scatter(view: HeadTypesView, x: string, y: string): TemplateResult {
    const { store } = this;
    const [W, H, m] = [340, 300, 34];
    const X = (v: number): number => m + v * (W - m - 10);
    const Y = (v: number): number => H - m - v * (H - m - 10);
    const name = (id: string): string => view.types.find((t) => t.id === id)!.name;
    const chance = (id: string): number => view.types.find((t) => t.id === id)!.chance;
    const points = view.heads.filter((h) => Number.isFinite(h.scores[x]) && Number.isFinite(h.scores[y]));
    const ticks = [0, 0.5, 1];
    return html`<figure class="scatter"><svg viewBox="0 0 ${W} ${H}" role="img" aria-label=${`${points.length} heads: ${name(x)} across, ${name(y)} upwards. The table below has the numbers.`}>
      ${ticks.map((t) => svg`<line x1=${X(t)} x2=${X(t)} y1=${Y(0)} y2=${Y(1)} class="svg-grid"></line><line x1=${X(0)} x2=${X(1)} y1=${Y(t)} y2=${Y(t)} class="svg-grid"></line><text x=${X(t)} y=${H - m + 15} class="svg-tick" text-anchor="middle">${t}</text><text x=${m - 6} y=${Y(t) + 4} class="svg-tick" text-anchor="end">${t}</text>`)}
      ${Number.isFinite(chance(x)) ? svg`<line x1=${X(chance(x))} x2=${X(chance(x))} y1=${Y(0)} y2=${Y(1)} class="svg-chance"></line>` : nothing}
      ${Number.isFinite(chance(y)) ? svg`<line x1=${X(0)} x2=${X(1)} y1=${Y(chance(y))} y2=${Y(chance(y))} class="svg-chance"></line>` : nothing}
      ${points.map((h) => svg`<circle class="dot" data-mark=${`${h.layer}.${h.head}`} cx=${X(h.scores[x]!)} cy=${Y(h.scores[y]!)} r="4.5" @click=${() => chooseHead(store, h.layer, h.head)}><title>layer ${h.layer} head ${h.head}: ${h.scores[x]!.toFixed(3)}, ${h.scores[y]!.toFixed(3)}</title></circle>`)}
      <text x=${X(0.5)} y=${H - 3} class="svg-tick" text-anchor="middle">${name(x)}</text>
      <text x="11" y=${Y(0.5)} class="svg-tick" text-anchor="middle" transform=${`rotate(-90 11 ${Y(0.5)})`}>${name(y)}</text>
    </svg><figcaption class="soft small">A dot a head; dashed: chance.</figcaption></figure>`; // biome-ignore format: a drawing
  }

  #table(view: HeadTypesView, x: string): TemplateResult {
    const top = view.heads.filter((h) => Number.isFinite(h.scores[x])).sort((a, b) => b.scores[x]! - a.scores[x]!).slice(0, 10); // biome-ignore format: one list
    const shown = view.types.filter((t) => top.some((h) => Number.isFinite(h.scores[t.id])));
    return html`${framed(
      "Scores of the ten heads that do it most",
      html`<table class="numbers"><caption>The ten heads that do it most, with all their scores</caption>
      <thead><tr><th scope="col">rank</th><th scope="col">head</th>${shown.map((t) => html`<th scope="col" class=${t.id === x ? "lead-col" : ""}>${t.name}</th>`)}</tr></thead>
      <tbody>${top.map((h, n) => html`<tr><td>${n + 1}</td><th scope="row"><button class="quiet" @click=${() => chooseHead(this.store, h.layer, h.head)}>${h.layer}.${h.head}</button></th>${shown.map((t) => html`<td class=${t.id === x ? "lead-col" : ""}>${Number.isFinite(h.scores[t.id]) ? h.scores[t.id]!.toFixed(2) : "–"}</td>`)}</tr>`)}</tbody>
      <tfoot><tr><td></td><th scope="row">chance</th>${shown.map((t) => html`<td>${Number.isFinite(t.chance) ? t.chance.toFixed(2) : "–"}</td>`)}</tr></tfoot></table>`,
    )}`;
  }
}
/** Head types with the finder's own numbers and the positional score beside them. */
function withMore(
  view: HeadTypesView,
  finder: FinderShown | undefined,
  positional: PositionalShown | undefined,
): HeadTypesView {
  if (!finder && !positional) return view;
  const at = new Map(finder?.heads.map(([l, h], i) => [`${l}.${h}`, i]));
  const moved = new Map(positional?.heads.map((p) => [`${p.layer}.${p.head}`, p.score]));
  const chance = Number.NaN;
  return {
    types: [
      ...view.types,
      ...(finder?.metrics ?? []).map(({ id, name, says }) => ({ id, name, says, chance })),
      ...(positional ? [{ id: "position", name: "By position", says: "likeness of its maps when the words stand in other orders; uniform heads score 1 too", chance: 1 }] : []),
    ],
    heads: view.heads.map((h) => {
      const i = at.get(`${h.layer}.${h.head}`);
      const more = i === undefined ? [] : finder!.metrics.map((m) => [m.id, m.values[i]!]);
      return { ...h, scores: { ...h.scores, ...Object.fromEntries(more), ...(positional && { position: moved.get(`${h.layer}.${h.head}`)! }) } };
    }),
  }; // biome-ignore format: one view
}
define("qkv-types-view", TypesView);
