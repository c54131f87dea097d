/** @file Taking the picture along: link, SVG, PNG, numbers. */
import { html, type TemplateResult } from "lit";
import { define, View } from "./base.js";

class Share extends View {
  override render(): TemplateResult {
    const go = (name: string) => async (): Promise<void> => {
      const { shareAs } = await import("./share-actions.js");
      await shareAs(this.store, name);
      this.closest("details")?.removeAttribute("open");
    };
    const entry = (name: string, title: string, says: string): TemplateResult =>
      html`<button data-share=${name} @click=${go(name)}><b>${title}</b><small>${says}</small></button>`;
    return html`
      ${entry("link", "Copy link", "text, model, view, cursor, changes: all of it")}
      ${entry("svg", "SVG", "the picture, sharp at any size")}
      <div class="share-row" role="group" aria-label="PNG">${[1, 2, 3, 4].map((n) => html`<button data-share=${`png${n}`} @click=${go(`png${n}`)}><b>PNG ${n}×</b></button>`)}</div>
      ${entry("csv", "CSV", "the weights of this head with its tokens")}
      ${entry("json", "JSON", "the weights of this layer")}
      ${entry("npz", "NPZ", "every head of this layer for numpy")}
      ${entry("trace", "Trace file", "q, k and row sums of the run (safetensors)")}
      ${entry("markdown", "Markdown", "what looks at what, in words, with a line to cite")}
      ${entry("html", "One-file page", "opens from disk with the network off")}
      ${entry("command", "Show the command", "the same picture from the command line and from code")}`;
  }
}
define("qkv-share", Share);
