/** @file One block of the open model, stage by stage, with the numbers of one token as bars. */
import { html, nothing, type TemplateResult } from "lit";
import type { BlockShown, Stage } from "../engine/block.js";
import { tokenLabel } from "../scene/tokens.js";
import { layerOf } from "../state/actions.js";
import { define, View } from "../views/base.js";
import { closed, openModel } from "../views/closed.js";
import { failure, waiting } from "../views/waiting.js";

class BlockView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const shut = closed(run.model);
    if (shut) return html`<p class="soft">${shut} ${openModel}</p>`;
    const { query } = store.choice.value;
    const token = query >= 0 && query < k.rows.length ? query : k.rows.length - 1;
    const layer = layerOf(store, k);
    const asked = { run: run.id, kind: k.kind, layer, token };
    const answer = store.ask(
      `block ${JSON.stringify(asked)}`,
      () => store.engine.lab("block", asked) as Promise<BlockShown>,
    ).value;
    return html`<div class="block-view">
      <div class="tools">
        ${run.kinds.length > 1 ? html`<label>stack <select id="block-stack" @change=${(e: Event) => store.change({ kind: (e.target as HTMLSelectElement).value as "encoder", query: -1, key: -1 })}>${(["encoder", "decoder"] as const).map((s) => html`<option value=${s} ?selected=${(s === "encoder") === (k.kind === "encoder")}>${s}</option>`)}</select></label>` : nothing}
        <label>block <select id="block-layer" @change=${(e: Event) => store.change({ layer: Number((e.target as HTMLSelectElement).value) })}>${k.layers.map((l) => html`<option value=${l} ?selected=${l === layer}>${l}</option>`)}</select></label>
        <label>token <select id="block-token" @change=${(e: Event) => store.change({ query: Number((e.target as HTMLSelectElement).value) })}>${k.rows.map((t, i) => html`<option value=${i} ?selected=${i === token}>${i}: ${tokenLabel(t)}</option>`)}</select></label>
      </div>
      ${answer.state === "failed" ? failure(answer.message) : answer.state === "loading" ? waiting(answer, "Running the block") : this.#stages(answer.value)}
    </div>`; // biome-ignore format: one template
  }

  #stages(b: BlockShown): TemplateResult {
    const largest = Math.max(...b.stages.map((s) => s.length));
    return html`<p class="soft small">Bars: the token’s numbers after each stage; the line under them is their length ‖x‖, the longest full.</p><ol class="stages">${b.stages.map((s) => this.#stage(s, largest))}</ol>
      <p class="soft small" data-testid="block-off">${Number.isNaN(b.off) ? `After the last block one more norm follows${b.stack === "encoder" ? ", then the decoder looks at it" : ", then the words"}.` : `The last stage is the hidden state that the trace keeps; largest difference ${b.off === 0 ? "0, exactly" : b.off.toExponential(1)}.`}</p>`; // biome-ignore format: one template
  }

  #stage(s: Stage, largest: number): TemplateResult {
    return html`<li class="stage-row ${s.id}">
      <div class="stage-words"><b>${s.name}</b> <span class="number">${s.values.length} numbers, length ${s.length.toFixed(2)}</span><br>
        <span class="soft small">${s.says}${s.added ? html`: a vector of length <span class="number">${s.added.length.toFixed(2)}</span>, ${direction(s.added.along)}` : nothing}</span></div>
      <div class="stage-picture">${bars(s.values)}<meter min="0" max=${largest} value=${s.length} aria-label=${`length after ${s.name}`}></meter></div>
    </li>`; // biome-ignore format: one template
  }
}

const direction = (along: number): string =>
  Math.abs(along) < 0.15
    ? `at a right angle to it (cosine ${along.toFixed(2)}): something new`
    : along > 0
      ? `partly along it (cosine ${along.toFixed(2)})`
      : `partly against it (cosine ${along.toFixed(2)})`;

/** Numbers as thin bars from a middle line; wide rows are shown by the extremes of each group. */
function bars(values: Float32Array): TemplateResult {
  const most = 96;
  const step = Math.max(1, Math.ceil(values.length / most));
  const top = Math.max(1e-9, ...Array.from(values, Math.abs));
  const columns = Math.ceil(values.length / step);
  let d = "";
  for (let c = 0; c < columns; c++) {
    let [high, low] = [0, 0];
    for (let i = c * step; i < Math.min(values.length, (c + 1) * step); i++) {
      high = Math.max(high, values[i]!);
      low = Math.min(low, values[i]!);
    }
    d += `M${c + 0.5} ${(12 - (high / top) * 11).toFixed(2)}V${(12 - (low / top) * 11).toFixed(2)}`;
  }
  return html`<svg class="bars" viewBox="0 0 ${columns} 24" preserveAspectRatio="none" role="img" aria-label=${`${values.length} numbers between ${Math.min(...values).toFixed(2)} and ${Math.max(...values).toFixed(2)}`}><path d="M0 12H${columns}" class="axis" vector-effect="non-scaling-stroke"/><path d=${d} class="bar" stroke-width="0.7"/></svg>`; // biome-ignore format: one picture
}
define("qkv-block-view", BlockView);
