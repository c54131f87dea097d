/** @file The keys, on one card. */
import { html, type TemplateResult } from "lit";
import { define, View } from "./base.js";

export const keys: readonly [string, string][] = [
  ["← → ↑ ↓", "move the cursor through the map"],
  ["[ ]", "layer before, layer after"],
  [", .", "head before, head after"],
  ["1 … 9", "views, in the order of their tabs"],
  ["/", "find a token"],
  ["t", "to the text box"],
  ["+ − 0", "zoom a long map; all of it"],
  ["u", "undo a change by hand"],
  ["Esc", "let go of the cursor; close"],
  ["?", "this card"],
];

class Help extends View {
  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("qkv-help", this.#open);
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("qkv-help", this.#open);
  }
  #open = (): void => {
    const dialog = this.querySelector("dialog");
    if (dialog?.open) dialog.close();
    else dialog?.showModal();
  };
  override render(): TemplateResult {
    return html`<dialog aria-labelledby="help-title" @click=${(e: Event) => { if (e.target === e.currentTarget) (e.target as HTMLDialogElement).close(); }}>
      <h2 id="help-title">Keys</h2>
      <dl class="keys">${keys.map(([k, says]) => html`<div><dt><kbd>${k}</kbd></dt><dd>${says}</dd></div>`)}</dl>
      <form method="dialog"><button autofocus>Close</button></form>
    </dialog>`; // biome-ignore format: one template
  }
}
define("qkv-help", Help);
