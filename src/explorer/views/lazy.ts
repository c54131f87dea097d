/** @file A part of the page whose code comes when it is first looked at. */
import { html, type TemplateResult } from "lit";
import { until } from "lit/directives/until.js";
import { words } from "../state/store.js";
import { failure } from "./waiting.js";

const loading = new Map<string, Promise<unknown>>();
const ready = new Set<string>();

const loadingSign = html`<div class="waiting" role="status"><p>Loading…</p></div>`;

export function lazy(load: () => Promise<unknown>, element: TemplateResult): TemplateResult {
  const name = element.strings.join();
  let asked = loading.get(name);
  if (!asked) {
    asked = load().then(() => ready.add(name));
    loading.set(name, asked);
    asked.catch(() => loading.delete(name)); // offline for a moment: asked again next time
  }
  // One template in both states: the element stays the one it is when its code has come.
  const now = ready.has(name)
    ? [element]
    : [asked.then(() => element).catch((error) => failure(words(error))), loadingSign];
  return html`${until(...now)}`;
}
