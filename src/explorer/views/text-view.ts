/**
 * @file The text itself: one token is asked (or many ask it), the others are shaded by the weight and carry the number.
 * Real text in reading order, so it wraps, is selectable by screen readers and runs right to left where the text does.
 */
import { html, nothing, type TemplateResult } from "lit";
import { groupLabel, weightText } from "../scene/tokens.js";
import { groupAt, headOf } from "../state/actions.js";
import type { KindView, LayerMaps } from "../engine/protocol.js";
import { define, View } from "./base.js";
import { lazy } from "./lazy.js";
import { legend } from "./legend.js";
import { rowTable } from "./row-table.js";
import { directionOf, tokenButton } from "./token.js";
import { waiting } from "./waiting.js";

class TextView extends View {
  override render(): TemplateResult {
    const k = this.store.kind.value;
    const maps = this.store.maps();
    if (!k) return waiting(this.store.run.value, "Reading the text");
    if (!maps) return lazy(() => import("./long-text.js"), html`<qkv-long-text></qkv-long-text>`);
    if (maps.state !== "ready") return waiting(maps, "Computing the layer");
    const { extra } = this.store.choice.value;
    const reverse = extra["direction"] === "in";
    const choices = (label: string, name: string, now: string, all: Record<string, string>): TemplateResult =>
      html`<div class="segments" role="group" aria-label=${label}>${Object.entries(all).map(([id, says]) => html`<button aria-pressed=${now === id} @click=${() => this.#set(name, id)}>${says}</button>`)}</div>`;
    return html`
      <div class="text-head">
        <p class="lead" id="text-lead">${this.#lead(k, maps.value, reverse)}</p>
        ${choices("Direction", "direction", reverse ? "in" : "", { "": "looks at", in: "is looked at by" })}
        ${choices("Drawn as", "arcs", extra["arcs"] ?? "", { "": "shades", across: "arcs", down: "arcs down the page" })}
      </div>
      ${extra["arcs"] ? lazy(() => import("./arcs-view.js"), html`<qkv-arcs-view></qkv-arcs-view>`) : k.kind === "cross" ? this.#two(k, maps.value, reverse) : this.#passage(k, maps.value, reverse)}
      ${extra["arcs"] ? nothing : legend(this.store, k, "grey")}
      ${
        k.queries * k.keys <= 2 ** 18 && !reverse
          ? html`<details class="block" ?open=${this.store.choice.value.extra["layers"] === "1"} @toggle=${(
              e: Event,
            ) => {
              const open = (e.target as HTMLDetailsElement).open ? "1" : "";
              if ((this.store.choice.value.extra["layers"] ?? "") !== open)
                this.store.change({ extra: { ...this.store.choice.value.extra, layers: open } });
            }}><summary>This token through all layers</summary>${this.store.choice.value.extra["layers"] === "1" ? lazy(() => import("./strip-view.js"), html`<qkv-strip></qkv-strip>`) : nothing}</details>`
          : nothing
      }
      ${reverse ? nothing : rowTable(k, maps.value, headOf(this.store, k), this.#asked(maps.value, false), "What it looks at most")}
    `;
  }

  #set(name: string, value: string): void {
    this.store.change({ extra: { ...this.store.choice.value.extra, [name]: value } }, "push");
  }

  /** The token in question, as a group: hovered, chosen, or the last. */
  #asked(maps: LayerMaps, reverse: boolean): number {
    const { query, key } = this.store.choice.value;
    const focus = this.store.focus.value;
    const side = reverse ? maps.columns : maps.rows;
    const hovered = reverse ? focus.key : focus.query;
    const chosen = reverse ? key : query;
    const at = groupAt(side, hovered ?? chosen);
    return at >= 0 ? at : reverse ? 0 : side.length - 1;
  }

  #weights(k: KindView, maps: LayerMaps, asked: number, reverse: boolean): Float32Array {
    const head = headOf(this.store, k);
    const [R, C] = [maps.rows.length, maps.columns.length];
    const map = maps.values.subarray(head * R * C, (head + 1) * R * C);
    if (!reverse) return map.subarray(asked * C, (asked + 1) * C);
    return Float32Array.from({ length: R }, (_, i) => map[i * C + asked]!);
  }

  #lead(k: KindView, maps: LayerMaps, reverse: boolean): TemplateResult {
    const asked = this.#asked(maps, reverse);
    const weights = this.#weights(k, maps, asked, reverse);
    let best = -1;
    weights.forEach((w, j) => { if (!Number.isNaN(w) && (best < 0 || w > weights[best]!)) best = j; }); // biome-ignore format: one line
    const [askedTokens, askedGroups, others, otherGroups] = reverse
      ? [k.columns, maps.columns, k.rows, maps.rows]
      : [k.rows, maps.rows, k.columns, maps.columns];
    if (best < 0 || !askedGroups[asked]) return html`This token may look at nothing.`;
    const a = groupLabel(askedTokens, askedGroups[asked]!);
    const b = groupLabel(others, otherGroups[best]!);
    return reverse
      ? html`<bdi class="key-word">${a}</bdi> is looked at most by <bdi class="query-word">${b}</bdi> <span class="figure">${weightText(weights[best]!)}</span>`
      : html`<bdi class="query-word">${a}</bdi> looks most at <bdi class="key-word">${b}</bdi> <span class="figure">${weightText(weights[best]!)}</span>`;
  }

  #passage(k: KindView, maps: LayerMaps, reverse: boolean): TemplateResult {
    const asked = this.#asked(maps, reverse);
    const weights = this.#weights(k, maps, asked, reverse);
    const [tokens, groups] = reverse ? [k.rows, maps.rows] : [k.columns, maps.columns];
    return html`<div class="passage" dir=${directionOf(tokens)} role="group" aria-labelledby="text-lead" @pointerleave=${() => { this.store.focus.value = {}; }}>
      ${groups.map((g, n) => tokenButton(this.store, { label: groupLabel(tokens, g), n, token: g[0], weight: weights[n]!, asked: n === asked, reverse, breaks: tokens[g[0]]!.text.startsWith("\n"), starts: tokens[g[0]]!.startsWord }))}
    </div>`; // biome-ignore format: one template
  }

  #two(k: KindView, maps: LayerMaps, reverse: boolean): TemplateResult {
    const asked = this.#asked(maps, reverse);
    const weights = this.#weights(k, maps, asked, reverse);
    const [own, ownGroups, other, otherGroups] = reverse
      ? [k.columns, maps.columns, k.rows, maps.rows]
      : [k.rows, maps.rows, k.columns, maps.columns];
    return html`
      <h2 class="small-head">${reverse ? "Source" : "Target"}: choose a token</h2>
      <div class="passage" dir=${directionOf(own)} role="group" aria-label="tokens to choose" @pointerleave=${() => { this.store.focus.value = {}; }}>
        ${ownGroups.map((g, n) => tokenButton(this.store, { label: groupLabel(own, g), n, token: g[0], weight: Number.NaN, asked: n === asked, reverse, starts: true }))}
      </div>
      <h2 class="small-head">${reverse ? "Target" : "Source"}: shaded by weight</h2>
      <div class="passage" dir=${directionOf(other)} role="group" aria-label="tokens shaded by weight">
        ${otherGroups.map((g, n) => tokenButton(this.store, { label: groupLabel(other, g), n, token: g[0], weight: weights[n]!, reverse, starts: true }))}
      </div>`; // biome-ignore format: one template
  }
}
define("qkv-text-view", TextView);
