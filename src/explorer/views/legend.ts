/** @file The scale of a picture, with numbers, and what the filters did to it. */
import { html, type TemplateResult } from "lit";
import type { KindView } from "../engine/protocol.js";
import { colourAt, css, logDecades, position, rampOf } from "../draw/colour.js";
import type { Store } from "../state/store.js";

export function legend(store: Store, k: KindView): TemplateResult {
  const { scale, transform, filter, weighted } = store.choice.value;
  const ramp = rampOf(scale, store.mode.value);
  const steps =
    transform === "log"
      ? [...Array(logDecades + 1).keys()].map((d) => 10 ** (d - logDecades))
      : [0, 0.25, 0.5, 0.75, 1];
  const name = (x: number): string =>
    transform === "rank" ? ({ 0: "last", 1: "first" }[x] ?? "") : transform === "log" ? `${x}` : `${x}`;
  const notes = [
    weighted ? "weights × size of the value they move (α·‖v·W_O‖, rows brought to 1)" : "",
    filter.hideSpecial || filter.hideFirst || filter.hidePunctuation
      ? filter.renormalise
        ? "hidden tokens left out, rows brought back to 1"
        : "hidden tokens left out, their weight is missing from the rows"
      : "",
    filter.together
      ? `${{ mean: "mean", max: "largest", min: "smallest", entropy: "evenness (entropy, 0 … 1)" }[filter.together.by]} over ${filter.together.heads.length > 0 ? `heads ${filter.together.heads.join(", ")}` : "all heads of the layer"}`
      : "",
    filter.sentences
      ? "sentences: sum over keys, mean over queries"
      : filter.words
        ? "words: sum over keys, mean over queries"
        : "",
    transform === "rank" ? "colour is the rank within the row" : transform === "log" ? "colour is logarithmic" : "",
    k.causal ? "hatched: the future, which may not be seen" : "",
  ].filter(Boolean);
  return html`<div class="legend scale" role="img" aria-label=${`Scale from 0 to 1, ${transform}. ${notes.join(". ")}`}>
    <span class="swatches">${steps.map((x) => html`<span class="swatch"><i .style=${`background:${css(colourAt(ramp, transform === "rank" ? x : position(x, transform)))}`}></i>${name(x)}</span>`)}</span>
    <span>${notes.join(" · ")}</span>
  </div>`;
}
