/** @file Which head a lab shows: stack where there are several, layer, head. */
import { html, nothing, type TemplateResult } from "lit";
import type { Kind, KindView, RunView } from "../engine/protocol.js";
import { headOf, layerOf } from "../state/actions.js";
import type { Store } from "../state/store.js";

const names: Record<Kind, string> = {
  self: "self-attention",
  encoder: "encoder",
  decoder: "decoder",
  cross: "cross-attention",
};

export function headTools(store: Store, run: RunView, k: KindView): TemplateResult {
  const [layer, head] = [layerOf(store, k), headOf(store, k)];
  const chosen = (e: Event): string => (e.target as HTMLSelectElement).value;
  return html`${run.kinds.length > 1 ? html`<label>attention <select id="lab-kind" @change=${(e: Event) => store.change({ kind: chosen(e) as Kind, query: -1, key: -1 })}>${run.kinds.map((x) => html`<option value=${x.kind} ?selected=${x.kind === k.kind}>${names[x.kind]}</option>`)}</select></label>` : nothing}
    <label>layer <select id="lab-layer" @change=${(e: Event) => store.change({ layer: Number(chosen(e)) })}>${k.layers.map((l) => html`<option value=${l} ?selected=${l === layer}>${l}</option>`)}</select></label>
    <label>head <select id="lab-head" @change=${(e: Event) => store.change({ head: Number(chosen(e)) })}>${[...Array(k.heads).keys()].map((h) => html`<option value=${h} ?selected=${h === head}>${h}</option>`)}</select></label>`; // biome-ignore format: one template
}
