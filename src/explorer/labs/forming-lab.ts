/** @file Watch a head form: two attention layers learn repeated tokens; loss, scores and maps step by step, to scrub back. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { FormingAsked, HeadFormsStep } from "../engine/sequence.js";
import { define, View } from "../views/base.js";
import "../views/plain-map.js";
import { Stoppable } from "../views/stoppable.js";
import { chart } from "./chart.js";
import { KeptRun } from "./kept-run.js";

export const tag = "qkv-forming-lab";

const steps = 600;

class FormingLab extends View {
  static override properties = { at: { state: true } };
  /** The look that is shown, −1 for the latest. */
  declare at: number;
  #run = new KeptRun<HeadFormsStep>();
  readonly #work = new Stoppable(this, (what) => `The training stopped: ${what}. What was learned is kept.`);

  constructor() {
    super();
    this.at = -1;
  }
  override render(): TemplateResult {
    const looks = this.#run.steps.filter((s) => s.maps);
    const shown = looks[this.at < 0 ? looks.length - 1 : Math.min(this.at, looks.length - 1)];
    return html`<article class="page lab">
      <h2>Watch a head form</h2>
      <p class="lead">A model of two attention layers and nothing else reads random tokens that repeat. To foretell the second time, a token must find where it stood before and copy what came after. Nobody tells it how.</p>
      <p class="ask"><b>Before you run it:</b> will the loss fall slowly and evenly, or all at once? Which layer will find “the token before”, and which “what came after”?</p>
      <p class="buttons">${this.#buttons()} <span class="soft" role="status">${this.#state()}</span></p>
      ${this.#work.alarm}
      ${shown ? html`<p class="lead" data-testid="formed">${formed(looks)}</p>${this.#maps(shown, looks)}${this.#charts(looks, shown)}` : nothing}
      <p class="soft small">The same from the command line, with a report: <code>qkv train --task heads --html head.html</code></p>
    </article>`; // biome-ignore format: one template
  }

  #buttons(): TemplateResult {
    if (this.#work.busy) return this.#work.button;
    const run = this.#run;
    const anew = (): Promise<void> => {
      this.#run = new KeptRun();
      this.at = -1;
      return this.#train(undefined);
    };
    if (run.steps.length === 0 || run.done)
      return html`<button class="primary" id="train" @click=${anew}>${run.done ? "Train it again" : "Train it"}</button>`;
    return html`<button class="primary" id="go-on" @click=${() => this.#train(run.rewind())}>Go on</button> <button id="train" @click=${anew}>Train it anew</button>`; // biome-ignore format: one template
  }

  #state(): string {
    const run = this.#run;
    if (run.steps.length === 0) return "";
    if (run.done) return `step ${run.step} of ${steps}: done`;
    if (this.#work.busy) return `step ${run.step} of ${steps}`;
    return `Stopped at step ${run.step} of ${steps}; it goes on from step ${run.from}, as if it had never stopped.`;
  }

  async #train(from: Uint8Array | undefined): Promise<void> {
    const run = this.#run;
    const asked: FormingAsked = { steps, seed: 1, ...(from && { from }) };
    const onStep = (step: unknown): void => {
      run.add(step as HeadFormsStep);
      if ((step as HeadFormsStep).maps) this.requestUpdate();
    };
    await this.#work.start(async ({ signal }) => {
      await this.store.engine.lab("forming", asked, { signal, onStep });
    });
  }

  #charts(looks: HeadFormsStep[], shown: HeadFormsStep): TemplateResult {
    const loss = this.#run.steps.filter((s) => !Number.isNaN(s.loss)).map((s) => ({ x: s.step, y: s.loss }));
    const score = (of: (s: HeadFormsStep) => number): { x: number; y: number }[] =>
      looks.map((s) => ({ x: s.step, y: of(s) }));
    return html`<div class="two-up charts">
      ${chart({ title: "Loss on tokens that can be foretold", x: "step", y: "loss, nats", mark: shown.step, lines: [{ name: "loss", colour: "var(--line-c)", points: loss }] })}
      ${chart({
        title: "The best head of each kind",
        x: "step",
        y: "share of its weight",
        top: 1,
        mark: shown.step,
        show: (y) => y.toFixed(2),
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
      <label class="knob"><span>step ${shown.step}</span> <input id="scrub" type="range" min="0" max=${looks.length - 1} step="1" .value=${String(at)} @input=${(e: Event) => { const at = Number((e.target as HTMLInputElement).value); this.at = at === looks.length - 1 ? -1 : at; }} /><output>${at === looks.length - 1 ? "the latest" : ""}</output></label>
      <div class="map-row">${shown.maps!.flatMap((heads, layer) => heads.map((map, head) => {
        const s = shown.scores?.find((x) => x.layer === layer && x.head === head);
        return html`<figure><figcaption>layer ${layer}, head ${head}${s ? html` <span class="soft small">previous ${s.previous.toFixed(2)}, induction ${s.induction.toFixed(2)}</span>` : nothing}</figcaption>
          <qkv-plain-map .map=${{ rows: labels, columns: labels, values: visible(map), says: `Map of layer ${layer}, head ${head} at step ${shown.step}.`, height: 260 }}></qkv-plain-map></figure>`;
      }))}</div>
      <p class="soft">${L / 2} random tokens, said twice. A previous-token head is a line just under the diagonal; an induction head a line that starts half way down: each token of the second half looks at what followed it in the first. Olsson et al. 2022 (arXiv:2209.11895).</p>
    </section>`; // biome-ignore format: one template
  }
}

/** What has formed until now. */
function formed(looks: readonly HeadFormsStep[]): string {
  const last = looks.at(-1)!;
  const turning = looks.find((s) => s.induction!.induction > 0.5);
  const best = last.induction!;
  return turning
    ? `Layer ${best.layer}, head ${best.head} has become an induction head: ${percent(best.induction)} of its weight lies on what came after the earlier occurrence (half of it since step ${turning.step}). It rests on layer ${last.previous!.layer}, head ${last.previous!.head}, which looks at the token before with ${percent(last.previous!.previous)}.`
    : `No induction head yet: the best one gives ${percent(best.induction)} of its weight to what came after the earlier occurrence.`;
}
const percent = (x: number): string => `${Math.round(100 * x)} %`;
define(tag, FormingLab);
