/** @file One token through all layers: a row a layer (or a head), a column a key; its way of looking as the model goes on. */
import { html, type TemplateResult } from "lit";
import type { StripShown } from "../engine/strip.js";
import { tokenLabel } from "../scene/tokens.js";
import { chooseHead, headOf, layerOf } from "../state/actions.js";
import { define, View } from "./base.js";
import "./plain-map.js";
import { waiting } from "./waiting.js";

class StripView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return html``;
    const c = store.choice.value;
    const query = c.query >= 0 ? Math.min(c.query, k.queries - 1) : k.queries - 1;
    const each = c.extra["strip"] === "heads";
    const asked = { run: run.id, kind: k.kind, query };
    const answer = store.ask(`strip ${JSON.stringify(asked)}`, () => store.engine.lab("strip", asked) as Promise<StripShown>).value; // biome-ignore format: one question
    if (answer.state !== "ready") return waiting(answer, "Reading the layers");
    const { layers, heads, keys, values } = answer.value;
    const rows = each ? layers.flatMap((l) => [...Array(heads).keys()].map((h) => `${l}.${h}`)) : layers.map((l) => `layer ${l}`); // biome-ignore format: one choice
    const shown = each ? values : meanOver(values, layers.length, heads, keys);
    const at = layers.indexOf(layerOf(store, k));
    const choose = (row: number): void => chooseHead(store, layers[each ? Math.floor(row / heads) : row]!, each ? row % heads : headOf(store, k)); // biome-ignore format: one call
    return html`<div class="segments" role="group" aria-label="Rows"><button aria-pressed=${!each} @click=${() => store.change({ extra: { ...c.extra, strip: "" } })}>a row a layer (mean of heads)</button><button aria-pressed=${each} @click=${() => store.change({ extra: { ...c.extra, strip: "heads" } })}>a row a head</button></div>
      <qkv-plain-map .map=${{ rows, columns: k.columns.map(tokenLabel), values: shown, height: 420, names: [each ? "layer.head" : "layer", "key: looks at"], says: `What “${tokenLabel(k.rows[query]!)}” looks at, layer by layer.`, cursor: { query: each ? at * heads + headOf(store, k) : at, key: c.key } }} @choose-cell=${(e: CustomEvent<{ query: number; key: number }>) => { choose(e.detail.query); store.change({ query, key: e.detail.key }); }}></qkv-plain-map>`; // biome-ignore format: one template
  }
}
define("qkv-strip", StripView);

function meanOver(values: Float32Array, layers: number, heads: number, keys: number): Float32Array {
  const out = new Float32Array(layers * keys);
  for (let l = 0; l < layers; l++) {
    for (let j = 0; j < keys; j++) {
      let sum = 0;
      for (let h = 0; h < heads; h++) sum += values[(l * heads + h) * keys + j]!;
      out[l * keys + j] = sum / heads; // NaN stays NaN: no head may look there
    }
  }
  return out;
}
