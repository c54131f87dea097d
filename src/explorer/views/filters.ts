/** @file How the picture is made: what is hidden or merged, what a weight means, the colour scale. */
import { html, type TemplateResult } from "lit";
import type { Together } from "../engine/protocol.js";
import type { ScaleName, Transform } from "../state/choice.js";
import { define, View } from "./base.js";

/** Ways of showing a layer's heads as one map; of the heads chosen in the line view, else of all. */
export const togetherNames: Record<Together["by"] | "", string> = {
  "": "one by one",
  mean: "mean",
  max: "largest",
  min: "smallest",
  entropy: "how evenly shared",
};

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
      ${tick("f-sentences", "merge sentences", f.sentences ?? false, (sentences) => filter({ sentences }))}
      ${tick("f-punct", "hide punctuation", f.hidePunctuation ?? false, (hidePunctuation) => filter({ hidePunctuation }))}
      ${tick("f-special", "hide special tokens", f.hideSpecial, (hideSpecial) => filter({ hideSpecial }), !special)}
      ${tick("f-first", "hide the first token", f.hideFirst, (hideFirst) => filter({ hideFirst }))}
      ${tick("f-renorm", "bring rows back to 1", f.renormalise, (renormalise) => filter({ renormalise }), !f.hideFirst && !f.hideSpecial && !f.hidePunctuation)}
      ${tick("f-values", "weigh by values", c.weighted, (weighted) => store.change({ weighted }, "push"), !k?.hasValues)}
      <div class="selects">
        <label>heads <select id="together" @change=${(e: Event) => {
          const by = (e.target as HTMLSelectElement).value as Together["by"] | "";
          const { together: _, ...rest } = f;
          store.change({ filter: by ? { ...rest, together: { by, heads: c.heads } } : rest }, "push");
        }}>${Object.entries(togetherNames).map(([id, name]) => html`<option value=${id} ?selected=${id === (f.together?.by ?? "")}>${name}</option>`)}</select></label>
        <label>colours <select id="scale" @change=${(e: Event) => store.change({ scale: (e.target as HTMLSelectElement).value as ScaleName })}>${(["ink", "cividis", "viridis", "greys"] as const).map((s) => html`<option value=${s} ?selected=${s === c.scale}>${s}</option>`)}</select></label>
        <label>as <select id="transform" @change=${(e: Event) => store.change({ transform: (e.target as HTMLSelectElement).value as Transform })}>${(["linear", "log", "rank"] as const).map((t) => html`<option value=${t} ?selected=${t === c.transform}>${t}</option>`)}</select></label>
      </div>
    </details>`;
  }
}
define("qkv-filters", Filters);
