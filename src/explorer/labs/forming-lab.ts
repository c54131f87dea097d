/** @file Watch a head form: two attention layers learn repeated tokens; loss, scores and maps step by step, to scrub back. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { HeadFormsStep } from "../engine/sequence.js";
import { define, View } from "../views/base.js";
import "../views/plain-map.js";
import { Stoppable } from "../views/stoppable.js";
import { chart } from "./chart.js";

export const tag = "qkv-forming-lab";

class FormingLab extends View {
  static override properties = {
    steps: { state: true },
    at: { state: true },
  };
  declare steps: HeadFormsStep[];
  declare at: number;
  readonly #work = new Stoppable(this, (what) => `The training stopped: ${what}`);

  constructor() {
    super();
    this.steps = [];
    this.at = -1;
  }
  override render(): TemplateResult {
    const looks = this.steps.filter((s) => s.maps);
    const shown = looks[this.at < 0 ? looks.length - 1 : Math.min(this.at, looks.length - 1)];
    return html`<article class="page lab">
      <h2>Watch a head form</h2>
      <p class="lead">A model of two attention layers and nothing else reads random tokens that repeat. To foretell the second time, a token must find where it stood before and copy what came after. Nobody tells it how.</p>
      <p class="ask"><b>Before you run it:</b> will the loss fall slowly and evenly, or all at once? Which layer will find “the token before”, and which “what came after”?</p>
      <p>${this.#work.busy ? this.#work.button : html`<button class="primary" id="train" @click=${() => this.#start()}>Train it</button>`} <span class="soft" role="status">${this.steps.length > 0 ? `step ${this.steps.at(-1)!.step} of ${this.steps[0]!.steps}` : ""}</span></p>
      ${this.#work.alarm}
      ${this.steps.length > 0 ? this.#charts(looks) : nothing}
      ${shown ? this.#maps(shown, looks) : nothing}
    </article>`; // biome-ignore format: one template
  }

  async #start(): Promise<void> {
    const kept: HeadFormsStep[] = [];
    this.steps = [];
    this.at = -1;
    const onStep = (step: unknown): void => {
      kept.push(step as HeadFormsStep);
      if ((step as HeadFormsStep).maps) this.steps = [...kept];
    };
    await this.#work.start(async ({ signal }) => {
      await this.store.engine.lab("forming", { steps: 600, seed: 1 }, { signal, onStep });
    });
    this.steps = [...kept];
  }

  #charts(looks: HeadFormsStep[]): TemplateResult {
    const loss = this.steps.filter((s) => !Number.isNaN(s.loss)).map((s) => ({ x: s.step, y: s.loss }));
    const score = (of: (s: HeadFormsStep) => number): { x: number; y: number }[] =>
      looks.map((s) => ({ x: s.step, y: of(s) }));
    return html`<div class="two-up charts">
      ${chart({ title: "Loss on tokens that can be foretold", x: "step", y: "nats", lines: [{ name: "loss", colour: "var(--line-c)", points: loss }] })}
      ${chart({
        title: "The best head of each kind",
        x: "step",
        y: "score",
        top: 1,
        lines: [
          {
            name: "previous",
            colour: "var(--line-b)",
            dash: "7 3",
            points: score((s) => s.previous?.previous ?? Number.NaN),
          },
          { name: "induction", colour: "var(--line-a)", points: score((s) => s.induction?.induction ?? Number.NaN) },
        ],
      })}
    </div>`;
  }

  #maps(shown: HeadFormsStep, looks: HeadFormsStep[]): TemplateResult {
    const L = Math.round(Math.sqrt(shown.maps![0]![0]!.length));
    const labels = Array.from({ length: L }, (_, i) => String.fromCharCode(97 + (i % (L / 2))));
    const visible = (map: Float32Array): Float32Array => {
      const out = map.slice();
      for (let i = 0; i < L; i++) out.fill(Number.NaN, i * L + i + 1, (i + 1) * L);
      return out;
    };
    const at = looks.indexOf(shown);
    return html`<section class="block">
      <label class="knob"><span>step ${shown.step}</span> <input id="scrub" type="range" min="0" max=${looks.length - 1} step="1" .value=${String(at)} @input=${(e: Event) => { this.at = Number((e.target as HTMLInputElement).value); }} /><output>${at === looks.length - 1 ? "now" : ""}</output></label>
      <div class="map-row">${shown.maps!.flatMap((heads, layer) => heads.map((map, head) => {
        const s = shown.scores?.find((x) => x.layer === layer && x.head === head);
        return html`<figure><figcaption>layer ${layer}, head ${head}${s ? html` <span class="soft small">previous ${s.previous.toFixed(2)}, induction ${s.induction.toFixed(2)}</span>` : nothing}</figcaption>
          <qkv-plain-map .map=${{ rows: labels, columns: labels, values: visible(map), says: `Map of layer ${layer}, head ${head} at step ${shown.step}.`, height: 260 }}></qkv-plain-map></figure>`;
      }))}</div>
      <p class="soft">${L / 2} random tokens, said twice. A previous-token head is a line just under the diagonal; an induction head a line that starts half way down: each token of the second half looks at what followed it in the first. Olsson et al. 2022 (arXiv:2209.11895).</p>
    </section>`; // biome-ignore format: one template
  }
}
define(tag, FormingLab);
