/** @file Opens a page of the registry by its id. */
import { html, type TemplateResult } from "lit";
import { until } from "lit/directives/until.js";
import { type Page, pages } from "../pages.js";
import { type Store, words } from "../state/store.js";
import { failure } from "./waiting.js";

/** A page's element once its code has come; before that the promise of it. The same value each time: nothing is mounted anew. */
const opened = new Map<string, TemplateResult | Promise<TemplateResult>>();

export function openPage(store: Store, id: string): TemplateResult {
  const page = pages.find((p) => p.id === id);
  if (!page) {
    return html`<div class="failure" role="alert"><p>There is no page “${id}”.</p><button @click=${() => store.change({ page: "explore" }, "push")}>To the explorer</button></div>`;
  }
  if (!opened.has(id)) opened.set(id, load(page));
  return html`${until(opened.get(id), html`<div class="waiting" role="status"><p>Opening ${page.title}…</p></div>`)}`;
}

async function load(page: Page): Promise<TemplateResult> {
  try {
    const element = document.createElement(await page.load());
    const content = html`${element}`;
    opened.set(page.id, content);
    return content;
  } catch (error) {
    opened.delete(page.id);
    return failure(words(error));
  }
}
