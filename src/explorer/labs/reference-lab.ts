/** @file The open run against a trace of the same text made elsewhere: the first layer, head and cell where they part. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { HeadDifference, ReferenceShown } from "../engine/reference.js";
import { tokenLabel } from "../scene/tokens.js";
import { words } from "../state/store.js";
import { define, View } from "../views/base.js";

export const tag = "qkv-reference-lab";
const small = (x: number): string => (x === 0 ? "0" : x.toExponential(1));

class ReferenceLab extends View {
  static override properties = {
    shown: { state: true },
    busy: { state: true },
    trouble: { state: true },
    name: { state: true },
  };
  declare shown: ReferenceShown | undefined;
  declare busy: string;
  declare trouble: string;
  declare name: string;
  #file: Uint8Array | undefined;
  #run = -1;

  constructor() {
    super();
    this.busy = "";
    this.trouble = "";
    this.name = "";
  }

  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    if (run && this.#file && run.id !== this.#run) queueMicrotask(() => this.#compare()); // another text: compare anew
    return html`<article class="page lab">
      <h2>Against a reference</h2>
      <p class="lead">The same text, traced by another engine or an earlier version. Layers are gone through in the order they are computed; the first head that is off is where the mistake was made. What comes after it only inherits it.</p>
      <p class="ask"><b>Before you look:</b> two engines in float32 never agree to the last bit. How far apart may a weight be before it is a mistake: 10⁻², 10⁻⁴ or 10⁻⁷?</p>
      <div class="tools">
        <label class="file">a trace of this text <input id="reference-file" type="file" accept=".safetensors" @change=${this.#pick} /></label>
        <label>equal within <select id="tolerance" @change=${(e: Event) => { this.store.change({ extra: { ...this.store.choice.peek().extra, within: (e.target as HTMLSelectElement).value } }); void this.#compare(); }}>${["1e-3", "1e-4", "1e-5", "1e-6"].map((t) => html`<option value=${t} ?selected=${t === this.#within}>${t}</option>`)}</select></label>
      </div>
      <div role="status">${this.busy ? html`<p class="soft">${this.busy}</p>` : nothing}</div>
      ${this.trouble ? html`<p class="error" role="alert">${this.trouble}</p>` : nothing}
      ${this.shown ? this.#result(this.shown) : html`<p class="soft">Record one with <code>qkv trace MODEL TEXT -o run.safetensors</code>, from an ONNX graph with <code>qkv trace model.onnx TEXT -o run.safetensors</code>, or write the tensors <code>layers.0.self.weights</code> … with Python's safetensors: docs/explorer.md says how.</p>`}
    </article>`; // biome-ignore format: one template
  }

  get #within(): string {
    return this.store.choice.value.extra["within"] ?? "1e-4";
  }

  #pick = async (event: Event): Promise<void> => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (!file) return;
    this.name = file.name;
    this.#file = new Uint8Array(await file.arrayBuffer());
    await this.#compare();
  };

  async #compare(): Promise<void> {
    const run = this.store.shown.peek();
    if (!run || !this.#file) return;
    this.#run = run.id;
    this.busy = "Comparing…";
    this.trouble = "";
    try {
      const asked = { run: run.id, name: this.name, bytes: this.#file, tolerance: Number(this.#within) };
      const onProgress = (done: number, total: number): void => { this.busy = `Comparing: ${done} of ${total} heads`; }; // biome-ignore format: one line
      this.shown = (await this.store.engine.lab("reference", asked, { onProgress })) as ReferenceShown;
    } catch (error) {
      this.shown = undefined;
      this.trouble = words(error);
    } finally {
      this.busy = "";
    }
  }

  #result(r: ReferenceShown): TemplateResult {
    const k = this.store.kind.value;
    const at = (h: HeadDifference): TemplateResult =>
      html`${h.kind === "self" ? "" : `${h.kind} `}layer ${h.layer}, head ${h.head}`;
    const token = (rows: boolean, i: number): string => (k ? tokenLabel((rows ? k.rows : k.columns)[i]!) : String(i));
    const f = r.first;
    const largest = r.heads.reduce((a, b) => (b.largest > a.largest ? b : a));
    return html`
      ${r.notes.map((n) => html`<p class="soft">${n}</p>`)}
      <p class="lead" data-testid="parts">${
        f
          ? html`They part at <b>${at(f)}</b>: “${token(true, f.query)}” looks at “${token(false, f.key)}” with <span class="figure">${f.ours.toFixed(6)}</span> here and <span class="figure">${f.theirs.toFixed(6)}</span> in ${this.name} (${r.engine}); off by ${small(f.largest)}. <button @click=${() => this.store.change({ page: "explore", view: "map", kind: f.kind, layer: f.layer, head: f.head, query: f.query, key: f.key }, "push")}>See the cell</button>`
          : html`They agree: ${r.heads.length} heads, ${r.cells.toLocaleString("en")} weights, largest difference ${small(largest.largest)} (${at(largest)}), made by ${r.engine}.`
      }</p>
      <div class="scrolls" tabindex="0" role="group" aria-label="Differences"><table class="numbers"><caption>Largest difference of a weight, head by head, in the order of computation</caption>
        <thead><tr><th scope="col">layer</th>${[...new Set(r.heads.map((h) => h.head))].map((h) => html`<th scope="col">head ${h}</th>`)}</tr></thead>
        <tbody>${[...new Set(r.heads.map((h) => `${h.kind} ${h.layer}`))].map((row) => html`<tr><th scope="row">${row.replace("self ", "")}</th>${r.heads.filter((h) => `${h.kind} ${h.layer}` === row).map((h) => html`<td class=${h.largest > r.tolerance ? "off" : ""}>${small(h.largest)}</td>`)}</tr>`)}</tbody></table></div>`; // biome-ignore format: one template
  }
}
define(tag, ReferenceLab);
