/** @file What a head's weights say by themselves: which words it looks for (QK) and what seeing a word makes it say (OV). */
import { html, type TemplateResult } from "lit";
import type { CircuitShown } from "../engine/circuits.js";
import { percent, visible } from "../scene/tokens.js";
import { headOf, layerOf } from "../state/actions.js";
import { define, View } from "./base.js";
import { closed, openModel } from "./closed.js";
import { framed } from "./framed.js";
import { waiting } from "./waiting.js";

const names = { ov: "What it says when it sees a word (OV)", qk: "Which words a word looks for (QK)" } as const;

class CircuitsView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const shut = closed(run.model);
    if (shut) return html`<p class="empty">${shut} Circuits are read off a head’s weights. ${openModel}</p>`;
    const c = store.choice.value;
    const which = c.extra["circuit"] === "qk" ? "qk" : "ov";
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const asked = { run: run.id, kind: k.kind, layer, head, which };
    const answer = store.ask(
      `circuit ${JSON.stringify(asked)}`,
      () => store.engine.lab("circuit", asked) as Promise<CircuitShown>,
    ).value;
    return html`<div class="segments" role="group" aria-label="Circuit">${(["ov", "qk"] as const).map((id) => html`<button aria-pressed=${which === id} @click=${() => store.change({ extra: { ...c.extra, circuit: id } }, "push")}>${names[id]}</button>`)}</div>
      ${answer.state === "failed" ? html`<p class="empty">${answer.message}</p>` : answer.state !== "ready" ? waiting(answer, "Multiplying the weights") : this.#table(answer.value, which, layer, head)}`; // biome-ignore format: one template
  }

  #table(v: CircuitShown, which: "ov" | "qk", layer: number, head: number): TemplateResult {
    const score = (x: number): string => x.toFixed(2).replace("-", "−");
    const list = (guesses: CircuitShown["rows"][number]["top"]): TemplateResult =>
      html`${guesses.map((g) => html`<span class="word-score"><bdi>${visible(g.text).replace(/^ +$/, "␣")}</bdi> <small class="soft">${score(g.probability)}</small></span> `)}`;
    return html`<p class="lead">${which === "ov" ? "Words raised first to themselves" : "Words that look for themselves first"}: <span class="figure" data-testid="itself">${percent(v.itself)}</span>
        <span class="soft">of the text’s words, in layer ${layer}, head ${head}; 1 in ${v.vocabulary.toLocaleString("en")} would by chance.</span></p>
      <p class="soft small">${which === "ov" ? "e·W_V·W_O read through the last norm and the word table, in logits" : "(e_q·W_Q)·(e_k·W_K)·scale over the whole vocabulary"}</p>
      ${framed(
        "Circuit by word",
        html`<table class="numbers" data-testid="circuit"><caption class="sr">Circuit by word</caption>
      <thead><tr><th scope="col">${which === "ov" ? "seen" : "asks"}</th><th scope="col" class="words">${which === "ov" ? "says" : "looks for"}</th><th scope="col" class="words">least</th><th scope="col">itself</th><th scope="col">rank of itself</th></tr></thead>
      <tbody>${v.rows.map((r) => html`<tr class=${r.ownRank === 1 ? "lead-row" : ""}><th scope="row"><bdi>${visible(r.text).replace(/^ +$/, "␣")}</bdi></th><td class="words">${list(r.top)}</td><td class="words">${list(r.bottom)}</td><td>${score(r.own)}</td><td>${r.ownRank}</td></tr>`)}</tbody></table>`,
      )}
      <p class="soft small">Word vectors alone, after the layer’s first norm: positions and earlier layers are left out. Exact for layer 0 of a model with rotary positions at distance 0, the usual reading for later layers (Elhage et al. 2021).${this.store.kind.value?.kind === "cross" ? " Here the decoder’s words ask and the source’s are seen, as if the encoder had only normed them." : ""}</p>`;
  }
}
define("qkv-circuits-view", CircuitsView);
