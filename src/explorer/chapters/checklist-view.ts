/** @file The checklist run on the page's own model: four points measured, then every rule for models asked of it. */
import { html, nothing, type TemplateResult } from "lit";
import type { ChecklistShown } from "../engine/checklist.js";
import { closed, openModel } from "../views/closed.js";
import { define, View } from "../views/base.js";
import { failure, waiting } from "../views/waiting.js";

class ChecklistView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    if (!run) return waiting(store.run.value, "Reading the text");
    if (store.choice.value.extra["run"] !== "checklist")
      return html`<p><button class="primary" id="run-checklist" @click=${() => store.change({ extra: { ...store.choice.peek().extra, run: "checklist" } })}>Run it on ${run.model.name}</button></p>`;
    const answer = store.ask<ChecklistShown>(
      `checklist ${run.id}`,
      (onProgress) => store.engine.lab("checklist", { run: run.id }, { onProgress }) as Promise<ChecklistShown>,
    ).value;
    if (answer.state === "failed") return failure(answer.message);
    if (answer.state !== "ready") return waiting(answer, "Asking the model");
    const { items, report } = answer.value;
    return html`
      <ul class="checks" data-testid="items">${items.map((i) => html`<li class=${i.ok ? "ok" : "bad"}><b>${i.ok ? "✓" : "✗"} ${i.name}</b><br><span class="soft">${i.says}</span></li>`)}</ul>
      ${report ? this.#report(report) : html`<p class="soft">${closed(run.model)} The rules for whole models ask a model many texts. ${run.model.graph ? html`On the command line a graph is asked too: <code>npx qkv check model.onnx</code>` : openModel}</p>`}`; // biome-ignore format: one template
  }

  #report(r: NonNullable<ChecklistShown["report"]>): TemplateResult {
    const errors = r.findings.filter((f) => f.severity === "error").length;
    return html`<h4>And the rules of <code>qkv check</code> for whole models</h4>
      <p data-testid="verdict">${r.tested.length} rules were tested on this model: ${r.ok ? "no mistake found" : `${errors} ${errors === 1 ? "mistake" : "mistakes"}`}.</p>
      ${r.findings.length > 0 ? html`<ul class="checks">${r.findings.map((f) => html`<li class=${f.severity === "error" ? "bad" : ""}><b>${f.severity === "error" ? "✗" : "·"} ${f.rule}</b> <span class="soft">(${f.severity})</span><br>${f.message}<br><span class="soft">${f.fix}</span></li>`)}</ul>` : nothing}
      <details><summary>What was tested</summary><ul class="checks">${r.tested.map((t) => html`<li><code>${t.id}</code><br><span class="soft">${t.says}</span></li>`)}</ul>
      ${r.notTested.length > 0 ? html`<p class="soft">Not tested: ${r.notTested.map((t) => `${t.id} (${t.reason})`).join("; ")}.</p>` : nothing}</details>`; // biome-ignore format: one template
  }
}
define("qkv-checklist-view", ChecklistView);
