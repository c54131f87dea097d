/** @file What stands in a view's place while it waits, or when it cannot be shown. */
import { html, nothing, type TemplateResult } from "lit";
import type { Loaded } from "../state/store.js";
import { theStore } from "./base.js";

export function waiting(loaded: Loaded<unknown> | undefined, says: string): TemplateResult {
  if (loaded?.state === "failed") return failure(loaded.message);
  const progress = loaded?.state === "loading" ? loaded.progress : undefined;
  const share = progress && progress.total > 0 ? progress.done / progress.total : undefined;
  return html`<div class="waiting" role="status">
    <p>${progress?.says ?? says}${share === undefined ? "…" : ` · ${Math.round(share * 100)} %`}</p>
    <progress max="1" value=${share ?? nothing} aria-label=${says}></progress>
  </div>`;
}

export function failure(message: string): TemplateResult {
  return html`<div class="failure" role="alert">
    <p>${message}</p>
    <button @click=${() => theStore().retry()}>Try again</button>
  </div>`;
}
