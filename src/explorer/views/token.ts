/** @file A token of running text: shaded by its weight, with the number under it, to point at and to choose. */
import { html, nothing, type TemplateResult } from "lit";
import { colourAt, css, inkOn, position, rampOf } from "../draw/colour.js";
import type { TokenView } from "../engine/protocol.js";
import { runsFromRight } from "../scene/direction.js";
import { shortWeight, weightText } from "../scene/tokens.js";
import { chooseCell } from "../state/actions.js";
import type { Store } from "../state/store.js";

export interface TokenShown {
  label: string;
  /** Its place in the passage, and the token it stands for or begins with. */
  n: number;
  token: number;
  /** NaN: it may not be seen. */
  weight: number;
  /** It is the one that is asked. */
  asked?: boolean;
  /** The one asked is looked at, not looking. */
  reverse?: boolean;
  /** A line breaks before it; a word starts with it. */
  breaks?: boolean;
  starts?: boolean;
}

export function tokenButton(store: Store, t: TokenShown): TemplateResult {
  const { scale, transform } = store.choice.value;
  const { weight, token, reverse = false, asked = false } = t;
  const seen = !Number.isNaN(weight);
  const shade = seen
    ? colourAt(rampOf(scale, store.mode.value), position(weight, transform === "rank" ? "linear" : transform))
    : undefined;
  const style = shade ? `background-color:${css(shade)};color:${inkOn(shade)}` : "";
  const choose = (): void => {
    const { query, key } = store.choice.value;
    if (reverse) chooseCell(store, query, token);
    else chooseCell(store, token, key);
  };
  const focus = (): void => {
    store.focus.value = reverse ? { key: token } : { query: token };
  };
  const kind = `token ${t.starts ? "starts" : ""} ${asked ? (reverse ? "is-key" : "is-query") : ""} ${seen ? "" : "absent"}`;
  // No space may stand inside a token: the text would get gaps that it does not have.
  return html`${t.breaks ? html`<br />` : nothing}<button class=${kind} data-n=${t.n} aria-pressed=${asked} @pointerenter=${focus} @focus=${focus} @click=${choose}
    ><bdi class="word" .style=${style}>${t.label}</bdi
    ><span class="sr">, ${seen ? weightText(weight) : "may not be seen"}</span
    ><span class="under" aria-hidden="true">${seen ? shortWeight(weight) : ""}</span
  ></button>`; // biome-ignore format: no space inside a token
}

/** "auto" would ask the first token, which may be a marker like [CLS]. */
export function directionOf(tokens: readonly TokenView[]): "rtl" | "ltr" {
  return runsFromRight(tokens.map((t) => t.text || t.raw)) ? "rtl" : "ltr";
}
