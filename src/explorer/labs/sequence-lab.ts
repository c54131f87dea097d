/** @file Why attention: an RNN, an LSTM and attention learn the same task with as many weights, before the reader's eyes. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { LabStep } from "../engine/sequence.js";
import type { SequenceAsked } from "../engine/sequence.js";
import { define, View } from "../views/base.js";
import { Stoppable } from "../views/stoppable.js";
import { chart, lineStyles } from "./chart.js";

export const tag = "qkv-sequence-lab";
const names = { rnn: "RNN", lstm: "LSTM", gru: "GRU", attention: "attention" } as const;
type Model = keyof typeof names;

class SequenceLab extends View {
  static override properties = { steps: { state: true } };
  declare steps: Map<Model, LabStep[]>;
  readonly #work = new Stoppable(this, (what) => `The training stopped: ${what}`);
  #asked = false;

  constructor() {
    super();
    this.steps = new Map();
  }
  get #choice() {
    const x = this.store.choice.value.extra;
    return {
      task: x["task"] === "copy" ? ("copy" as const) : ("recall" as const),
      distance: Number(x["far"] ?? "24"),
      steps: Number(x["train"] ?? "300"),
      unscaled: x["unscaled"] === "1",
      gru: x["gru"] === "1",
    };
  }

  override render(): TemplateResult {
    const c = this.#choice;
    const { extra } = this.store.choice.value;
    const set = (name: string, value: string): void => this.store.change({ extra: { ...extra, [name]: value } });
    return html`<article class="page lab">
      <h2>Sequence lab: why attention</h2>
      <p class="lead">Something is said once, and asked for later. A recurrent layer must carry it through every step in between; attention looks back. All models have the same number of weights, see the same rows and take the same steps. They are trained here, in this page.</p>
      <p class="ask"><b>Before you run it:</b> which will learn to recall across ${c.distance} tokens: the RNN, the LSTM, attention? And where will the slope have vanished?</p>
      <div class="tools">
        <label>task <select id="task" @change=${(e: Event) => set("task", (e.target as HTMLSelectElement).value)}><option value="recall" ?selected=${c.task === "recall"}>recall one marked symbol</option><option value="copy" ?selected=${c.task === "copy"}>copy, last first</option></select></label>
        <label class="slider">furthest answer <input type="range" min="4" max="64" step="4" .value=${String(c.distance)} @change=${(e: Event) => set("far", (e.target as HTMLInputElement).value)} /><output>${c.distance}</output></label>
        <label class="slider">steps <input type="range" min="100" max="1200" step="100" .value=${String(c.steps)} @change=${(e: Event) => set("train", (e.target as HTMLInputElement).value)} /><output>${c.steps}</output></label>
        <label class="tick"><input type="checkbox" id="gru" .checked=${c.gru} @change=${(e: Event) => set("gru", (e.target as HTMLInputElement).checked ? "1" : "")} /> a GRU too</label>
        <label class="tick"><input type="checkbox" id="unscaled" .checked=${c.unscaled} @change=${(e: Event) => set("unscaled", (e.target as HTMLInputElement).checked ? "1" : "")} /> attention without 1/√d</label>
      </div>
      <p>${this.#work.busy ? this.#work.button : html`<button class="primary" id="train" @click=${() => this.#start()}>Train them</button>`} <span class="soft" role="status">${this.#state()}</span></p>
      ${this.#work.alarm}
      ${this.#charts()}
      ${this.#asked ? this.#lesson() : nothing}
      <p class="soft small">The same from the command line: <code>qkv train --task ${c.task} --model lstm --distance ${c.distance}</code></p>
    </article>`; // biome-ignore format: one template
  }

  async #start(): Promise<void> {
    const c = this.#choice;
    this.steps = new Map();
    this.#asked = true;
    const models: Model[] = c.gru ? ["rnn", "lstm", "gru", "attention"] : ["rnn", "lstm", "attention"];
    const asked: SequenceAsked = {
      models,
      task: c.task,
      distance: c.distance,
      steps: c.steps,
      seed: 1,
      ...(c.unscaled && { scale: 1 }),
    };
    let drawn = 0;
    const onStep = (step: unknown): void => {
      const s = step as LabStep;
      this.steps.set(s.model, [...(this.steps.get(s.model) ?? []), s]);
      if (performance.now() - drawn > 120 || s.look) {
        drawn = performance.now();
        this.steps = new Map(this.steps);
      }
    };
    await this.#work.start(async ({ signal }) => {
      await this.store.engine.lab("sequence", asked, { signal, onStep });
    });
    this.steps = new Map(this.steps);
  }

  #state(): string {
    const all = [...this.steps.values()];
    if (all.length === 0) return "";
    const least = Math.min(...all.map((s) => s.at(-1)!.step));
    const weights = all.map((s) => s.find((x) => x.look)?.look?.parameters ?? 0);
    return `step ${least} of ${all[0]![0]!.steps}; ${weights.map((w) => w.toLocaleString("en")).join(", ")} weights`;
  }

  #charts(): TemplateResult {
    const models = [...this.steps.keys()];
    const line = (m: Model, points: { x: number; y: number }[]) => ({ name: names[m], ...lineStyles[m]!, points });
    const smooth = (s: LabStep[]): { x: number; y: number }[] => {
      let mean = Number.NaN;
      return s
        .filter((x) => !Number.isNaN(x.loss))
        .map((x) => ({ x: x.step, y: (mean = Number.isNaN(mean) ? x.loss : 0.9 * mean + 0.1 * x.loss) }));
    };
    const look = (m: Model): LabStep["look"] => [...this.steps.get(m)!].reverse().find((s) => s.look)?.look;
    const start = (m: Model): LabStep["look"] => this.steps.get(m)!.find((s) => s.look)?.look;
    const now = this.store.choice.value.extra["slope"] === "now";
    return html`<div class="two-up charts">
      ${chart({ title: "Loss while training", x: "step", y: "nats", lines: models.map((m) => line(m, smooth(this.steps.get(m)!))) })}
      ${chart({
        title: "Right answers, by how far back they lie",
        x: "tokens back",
        y: "share right",
        top: 1,
        level: { y: 1 / 8, name: "guessing" },
        lines: models.map((m) =>
          line(
            m,
            (look(m)?.accuracyByDistance ?? []).map((a) => ({ x: a.distance, y: a.value })),
          ),
        ),
      })}
      ${chart({
        title: now ? "Slope that arrives so far back, now" : "Slope that arrives so far back, before training",
        x: "tokens back",
        y: "‖∂loss/∂token‖",
        logY: true,
        lines: models.map((m) =>
          line(
            m,
            ((now ? look(m) : start(m))?.gradientByDistance ?? []).map((a) => ({ x: a.distance, y: a.value })),
          ),
        ),
      })}
    </div>`;
  }

  #lesson(): TemplateResult {
    const looks = (m: Model) => (this.steps.get(m) ?? []).flatMap((s) => (s.look ? [s.look] : []));
    const [rnn, attention] = [looks("rnn"), looks("attention")];
    if (rnn.length === 0 || attention.length === 0) return html``;
    // Before training all models are equally wrong, so their slopes can be compared; one that has learned has little slope left.
    const fade = ([first]: typeof rnn): number =>
      first!.gradientByDistance.at(-2)!.value / first!.gradientByDistance[1]!.value;
    const { extra } = this.store.choice.value;
    const now = extra["slope"] === "now";
    return html`<section class="block">
      <p><label>slopes <select id="slope" @change=${(e: Event) => this.store.change({ extra: { ...extra, slope: (e.target as HTMLSelectElement).value } })}><option value="" ?selected=${!now}>before training</option><option value="now" ?selected=${now}>now (a model that has learned has little left)</option></select></label></p>
      <p>So far attention answers ${(100 * attention.at(-1)!.accuracy).toFixed(0)} % and the RNN ${(100 * rnn.at(-1)!.accuracy).toFixed(0)} % of the questions. Before training, the slope of the RNN at the far end was ${fade(rnn).toExponential(1)} times that one token back, attention's ${fade(attention).toFixed(1)} times: in the RNN it has passed a matrix once for every token in between. An LSTM's gates were built to keep it up (Hochreiter & Schmidhuber 1997); attention needs one step for any distance, at the price of comparing every pair.</p></section>`; // biome-ignore format: one template
  }
}
define(tag, SequenceLab);
