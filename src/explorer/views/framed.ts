/** @file What may be wider than the page: it scrolls in a frame of its own, which the keyboard reaches and a reader hears named. */
import { html, type TemplateResult } from "lit";

export function framed(label: string, content: TemplateResult): TemplateResult {
  return html`<div class="frame" tabindex="0" role="region" aria-label=${label}>${content}</div>`;
}
