/** @file The scale of a picture, with numbers, and what the filters did to it. */
import { html, type TemplateResult } from "lit";
import type { KindView } from "../engine/protocol.js";
import { colourAt, css, logDecades, position, type Ramp, rampOf, signedRamp } from "../draw/colour.js";
import { opacity, thickness } from "../scene/curve.js";
import type { Store } from "../state/store.js";

const quarters = [0, 0.25, 0.5, 0.75, 1];

/** A ramp in steps with the number each stands for. `at` is the place on the ramp, `side` how much of it is there (0 … 1). */
function scaleOf(
  ramp: Ramp,
  steps: readonly { at: number; side: number; name: string }[],
  notes: readonly string[],
): TemplateResult {
  const says = `Scale from ${steps[0]!.name} to ${steps.at(-1)!.name}`;
  return html`<div class="legend scale" role="img" aria-label=${[says, ...notes].join(". ")}>
    <span class="swatches">${steps.map((s) => html`<span class="swatch"><i class=${s.name.startsWith("−") ? "hollow" : ""} .style=${`background:${css(colourAt(ramp, s.at))};--side:${Math.sqrt(s.side)}`}></i>${s.name}</span>`)}</span>
    <span>${notes.join(" · ")}</span>
  </div>`;
}

const number = (x: number): string =>
  String(Number(x.toPrecision(2))).replace("-", "−"); // biome-ignore format: one line

/** 0 to `top`, evenly: scores and probabilities. */
export function linearLegend(store: Store, notes: readonly string[] = [], top = 1): TemplateResult {
  const ramp = rampOf(store.choice.value.scale, store.mode.value);
  return scaleOf(ramp, quarters.map((x) => ({ at: x, side: x, name: number(x * top) })), notes); // biome-ignore format: one line
}

/** −top to top, 0 in the middle: differences, q and k. */
export function signedLegend(store: Store, notes: readonly string[] = [], top = 1): TemplateResult {
  const steps = [-1, -0.5, 0, 0.5, 1].map((x) => ({ at: (x + 1) / 2, side: Math.abs(x), name: number(x * top) }));
  const squares = matchMedia("(forced-colors: active)").matches ? ["filled above 0, hollow below"] : [];
  return scaleOf(signedRamp(store.mode.value), steps, [...notes, ...squares]);
}

/** Weights as the reader chose to see them: linear, logarithmic or by rank. */
export function weightLegend(store: Store, notes: readonly string[] = []): TemplateResult {
  const { scale, transform } = store.choice.value;
  const steps = transform === "log" ? [...Array(logDecades + 1).keys()].map((d) => 10 ** (d - logDecades)) : quarters;
  const name = (x: number): string => (transform === "rank" ? ({ 0: "last", 1: "first" }[x] ?? "") : `${x}`);
  const at = (x: number): number => (transform === "rank" ? x : position(x, transform));
  const how = { linear: "", log: "colour is logarithmic", rank: "colour is the rank within the row" }[transform];
  const shown = steps.map((x) => ({ at: at(x), side: at(x), name: name(x) }));
  return scaleOf(rampOf(scale, store.mode.value), shown, [how, ...notes].filter(Boolean));
}

/** Weights as thickness and ink of a line. */
export function lineLegend(notes: TemplateResult): TemplateResult {
  const steps = quarters.slice(1);
  return html`<div class="legend scale">
    <span class="swatches" role="img" aria-label="Scale of lines from 0.25 to 1">${steps.map((w) => html`<span class="swatch"><svg width="100%" height="12" aria-hidden="true"><line x1="8%" x2="92%" y1="6" y2="6" stroke="currentColor" stroke-width=${thickness(w)} stroke-opacity=${opacity(w)}></line></svg>${w}</span>`)}</span>
    <span>${notes}</span>
  </div>`;
}

/** The scale of a head's map, with what was hidden, merged or weighed. */
export function legend(store: Store, k: KindView, absent = "hatched"): TemplateResult {
  const { filter, weighted } = store.choice.value;
  return weightLegend(store, [
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
    k.causal ? `${absent}: the future, which may not be seen` : "",
  ]);
}
