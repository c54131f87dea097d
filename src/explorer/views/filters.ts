/** @file How the picture is made: what is hidden or merged, what a weight means, the colour scale. */
import { html, type TemplateResult } from "lit";
import type { ScaleName, Transform } from "../state/choice.js";
import { define, View } from "./base.js";

class Filters extends View {
  override render(): TemplateResult {
    const { store } = this;
    const c = store.choice.value;
    const k = store.kind.value;
    const f = c.filter;
    const special = k ? [...k.rows, ...k.columns].some((t) => t.special) : false;
    const tick = (id: string, name: string, on: boolean, set: (x: boolean) => void, off = false): TemplateResult =>
      html`<label class="tick"><input type="checkbox" id=${id} .checked=${on} ?disabled=${off} @change=${(e: Event) => set((e.target as HTMLInputElement).checked)} /> ${name}</label>`;
    const filter = (part: Partial<typeof f>): void => store.change({ filter: { ...f, ...part } }, "push");
    return html`<details class="filters" open><summary>Show</summary>
      ${tick("f-words", "merge word pieces", f.words, (words) => filter({ words }))}
      ${tick("f-special", "hide special tokens", f.hideSpecial, (hideSpecial) => filter({ hideSpecial }), !special)}
      ${tick("f-first", "hide the first token", f.hideFirst, (hideFirst) => filter({ hideFirst }))}
      ${tick("f-renorm", "bring rows back to 1", f.renormalise, (renormalise) => filter({ renormalise }), !f.hideFirst && !f.hideSpecial)}
      ${tick("f-values", "weigh by values", c.weighted, (weighted) => store.change({ weighted }, "push"), !k?.hasValues)}
      <div class="selects">
        <label>colours <select id="scale" @change=${(e: Event) => store.change({ scale: (e.target as HTMLSelectElement).value as ScaleName })}>${(["ink", "cividis", "viridis", "greys"] as const).map((s) => html`<option value=${s} ?selected=${s === c.scale}>${s}</option>`)}</select></label>
        <label>as <select id="transform" @change=${(e: Event) => store.change({ transform: (e.target as HTMLSelectElement).value as Transform })}>${(["linear", "log", "rank"] as const).map((t) => html`<option value=${t} ?selected=${t === c.transform}>${t}</option>`)}</select></label>
      </div>
    </details>`;
  }
}
define("qkv-filters", Filters);
