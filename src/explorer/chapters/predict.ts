/** @file Predict first, then reveal: the answer is shown when the reader has chosen one, and not before. */
import { html, nothing, type TemplateResult } from "lit";
import { define, View } from "../views/base.js";
import { inline } from "./inline.js";

class Predict extends View {
  static override properties = {
    ask: { attribute: false },
    choices: { attribute: false },
    right: { attribute: false },
    answer: { attribute: false },
    said: { state: true },
  };
  declare ask: string;
  declare choices: readonly string[];
  declare right: number;
  declare answer: string;
  declare said: number;

  constructor() {
    super();
    this.said = -1;
  }

  override render(): TemplateResult {
    const { said, right } = this;
    const open = said >= 0;
    return html`<div class="predict" role="group" aria-label="A question before you read on">
      <p><b>Predict:</b> ${inline(this.ask)}</p>
      <p class="options">${this.choices.map((c, n) => html`<button class=${open && n === right ? "right" : open && n === said ? "missed" : ""} aria-pressed=${n === said} @click=${() => { this.said = n; }}>${inline(c)}${open && n === right ? " ✓" : ""}</button>`)}</p>
      <div role="status">${open ? html`<p>${said === right ? "Yes. " : "No. "}${inline(this.answer)}</p>` : nothing}</div>
    </div>`; // biome-ignore format: one template
  }
}
define("qkv-predict", Predict);
