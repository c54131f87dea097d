/** @file What arrives of a slope so many tokens back, in three untrained networks: computed when it is looked at. */
import { html, type TemplateResult } from "lit";
import type { SlopesShown } from "../engine/sequence.js";
import { chart, lineStyles } from "../labs/chart.js";
import { define, View } from "../views/base.js";
import { failure, waiting } from "../views/waiting.js";

const names = { rnn: "RNN", lstm: "LSTM", gru: "GRU", attention: "attention", unscaled: "no 1/√d" } as const;

class SlopesView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const { extra } = store.choice.value;
    const distance = Math.min(48, Math.max(8, Math.round(Number(extra["back"] ?? "24")) || 24));
    const answer = store.ask<SlopesShown>(
      `slopes ${distance}`,
      () => store.engine.lab("slopes", { distance }) as Promise<SlopesShown>,
    ).value;
    return html`<label class="knob">tokens back <input id="slopes-back" type="range" min="8" max="48" step="4" .value=${String(distance)} @change=${(e: Event) => store.change({ extra: { ...extra, back: (e.target as HTMLInputElement).value } })} /><output>${distance}</output></label>
      ${answer.state === "failed" ? failure(answer.message) : answer.state === "loading" ? waiting(answer, "Sending slopes back") : chart({ title: "Slope that arrives so far back, before any training", x: "how far back, tokens", y: "‖∂loss/∂token‖", logY: true, lines: answer.value.models.map((m) => ({ name: names[m.model], ...lineStyles[m.model]!, points: m.slopes.map((a) => ({ x: a.distance, y: a.value })) })) })}
      <p class="soft small">A network of each kind with about 8,000 weights is wrong about the last token of 64 random texts; drawn is how much each earlier token hears of it.</p>`; // biome-ignore format: one template
  }
}
define("qkv-slopes-view", SlopesView);
