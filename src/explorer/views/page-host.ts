/** @file Opens a page of the registry by its id. */
import { html, type TemplateResult } from "lit";
import { until } from "lit/directives/until.js";
import { pages } from "../pages.js";
import { type Store, words } from "../state/store.js";
import { failure } from "./waiting.js";

const opened = new Map<string, Promise<TemplateResult>>();

export function openPage(store: Store, id: string): TemplateResult {
  const page = pages.find((p) => p.id === id);
  if (!page) {
    return html`<div class="failure" role="alert"><p>There is no page “${id}”.</p><button @click=${() => store.change({ page: "explore" }, "push")}>To the explorer</button></div>`;
  }
  let content = opened.get(id);
  if (!content) {
    content = page.load().then((tag) => {
      const element = document.createElement(tag);
      return html`${element}`;
    });
    opened.set(id, content);
    content.catch(() => opened.delete(id));
  }
  return html`${until(
    content.catch((error) => failure(words(error))),
    html`<div class="waiting" role="status"><p>Opening ${page.title}…</p></div>`,
  )}`;
}
