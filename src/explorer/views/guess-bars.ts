/** @file Probabilities side by side: before and after, as bars with their numbers. */
import { html, nothing, type TemplateResult } from "lit";
import type { Guess } from "../engine/protocol.js";
import { percent, visible } from "../scene/tokens.js";

export function guessBars(before: readonly Guess[], after?: readonly Guess[], caption = "Next tokens"): TemplateResult {
  const rows = before.map((b) => ({ b, a: after?.find((x) => x.id === b.id) }));
  return html`<table class="numbers guesses">
    <caption class="sr">${caption} and their probabilities</caption>
    <thead><tr><th scope="col">${caption === "Next tokens" ? "token" : "guess"}</th><th scope="col">${after ? "before" : "probability"}</th>${after ? html`<th scope="col">after</th>` : nothing}<th scope="col"><span class="sr">picture</span></th></tr></thead>
    <tbody>${rows.map(
      ({ b, a }) => html`<tr>
      <th scope="row"><bdi class="mono">${visible(b.text).replace(/^ +$/, "␣")}</bdi></th><td>${percent(b.probability)}</td>${after ? html`<td>${a ? percent(a.probability) : ""}</td>` : nothing}
      <td class="bar-cell wide"><span class="pair-bar" .style=${`--a:${b.probability};--b:${a?.probability ?? 0}`}><i></i>${after ? html`<b></b>` : nothing}</span></td></tr>`,
    )}</tbody>
  </table>`;
}
