/** @file A part of the page whose code comes when it is first looked at. */
import { html, type TemplateResult } from "lit";
import { until } from "lit/directives/until.js";
import { words } from "../state/store.js";
import { failure } from "./waiting.js";

const loading = new Map<string, Promise<unknown>>();
const ready = new Set<string>();

export function lazy(load: () => Promise<unknown>, element: TemplateResult): TemplateResult {
  const name = element.strings.join();
  if (ready.has(name)) return element;
  let asked = loading.get(name);
  if (!asked) {
    asked = load().then(() => ready.add(name));
    loading.set(name, asked);
    asked.catch(() => loading.delete(name)); // offline for a moment: asked again next time
  }
  return html`${until(
    asked.then(() => element).catch((error) => failure(words(error))),
    html`<div class="waiting" role="status"><p>Loading…</p></div>`,
  )}`;
}
