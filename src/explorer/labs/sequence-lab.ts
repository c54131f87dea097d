/** @file Why attention: an RNN, an LSTM and attention learn the same task with as many weights, before the reader's eyes. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { LabModel, LabStep, SequenceAsked, TaskRow } from "../engine/sequence.js";
import { define, View } from "../views/base.js";
import { Stoppable } from "../views/stoppable.js";
import { KeptRun } from "./kept-run.js";
import { sequenceCharts } from "./sequence-charts.js";
import { modelNames, sequenceTable, verdict } from "./sequence-words.js";

export const tag = "qkv-sequence-lab";

/** What the reader has set, and what a training was started with. */
interface Settings {
  task: "recall" | "copy";
  distance: number;
  steps: number;
  models: LabModel[];
}
const ranges = { far: [4, 64, 24], train: [100, 1200, 300] } as const;

class SequenceLab extends View {
  static override properties = { runs: { state: true } };
  declare runs: Map<LabModel, KeptRun<LabStep>>;
  readonly #work = new Stoppable(this, (what) => `The training stopped: ${what}. What was learned is kept.`);
  #settings: Settings | undefined;

  constructor() {
    super();
    this.runs = new Map();
  }

  get #chosen(): Settings {
    const x = this.store.choice.value.extra;
    const number = (name: keyof typeof ranges): number => {
      const [least, most, usual] = ranges[name];
      return Math.min(most, Math.max(least, Math.round(Number(x[name] ?? usual)) || usual));
    };
    const further: LabModel[] = [...(x["gru"] === "1" ? (["gru"] as const) : []), "attention", ...(x["unscaled"] === "1" ? (["unscaled"] as const) : [])]; // biome-ignore format: one list
    return {
      task: x["task"] === "copy" ? "copy" : "recall",
      distance: number("far"),
      steps: number("train"),
      models: ["rnn", "lstm", ...further],
    };
  }

  override render(): TemplateResult {
    const c = this.#chosen;
    const { extra } = this.store.choice.value;
    const set = (name: string, value: string): void => this.store.change({ extra: { ...extra, [name]: value } });
    const typed =
      (name: string) =>
      (e: Event): void =>
        set(name, (e.target as HTMLInputElement).value);
    const ticked =
      (name: string) =>
      (e: Event): void =>
        set(name, (e.target as HTMLInputElement).checked ? "1" : "");
    const runs = [...this.runs];
    return html`<article class="page lab">
      <h2>Sequence lab: why attention</h2>
      <p class="lead">Something is said once, and asked for later. A recurrent layer must carry it through every step in between; attention looks back at it directly. All models have about as many weights, read the same rows and take the same steps. They are trained here, in this page.</p>
      ${this.#example(c)}
      <p class="ask"><b>Before you run it:</b> which will learn to answer across ${c.distance} tokens: the RNN, the LSTM, attention? And in which will the slope have vanished on its way back?</p>
      <div class="tools">
        <label>task <select id="task" @change=${typed("task")}><option value="recall" ?selected=${c.task === "recall"}>recall one marked symbol</option><option value="copy" ?selected=${c.task === "copy"}>copy, last first</option></select></label>
        <label class="slider">furthest answer <input id="far" type="range" min=${ranges.far[0]} max=${ranges.far[1]} step="4" .value=${String(c.distance)} @input=${typed("far")} /><output>${c.distance} tokens</output></label>
        <label class="slider">steps <input id="steps" type="range" min=${ranges.train[0]} max=${ranges.train[1]} step="100" .value=${String(c.steps)} @input=${typed("train")} /><output>${c.steps}</output></label>
        <label class="tick"><input type="checkbox" id="gru" .checked=${extra["gru"] === "1"} @change=${ticked("gru")} /> a GRU too</label>
        <label class="tick"><input type="checkbox" id="unscaled" .checked=${extra["unscaled"] === "1"} @change=${ticked("unscaled")} /> attention without 1/√d too</label>
      </div>
      <p class="buttons">${this.#buttons(c)} <span class="soft" role="status">${this.#state()}</span></p>
      ${this.#work.alarm}
      ${this.#other(c)}
      ${runs.length > 0 ? html`<p class="lead" data-testid="verdict">${verdict(runs)}</p>${sequenceTable(runs)}${sequenceCharts(runs, this.store)}` : nothing}
      <p class="soft small">The same from the command line, with a report: <code>qkv train --task ${c.task} --model ${c.models.join(",")} --distance ${c.distance} --steps ${c.steps} --html why.html</code></p>
    </article>`; // biome-ignore format: one template
  }

  /** A row of the task, with the answer that is asked for and where it stands. */
  #example({ task, distance }: Settings): TemplateResult | typeof nothing {
    const answer = this.store.ask<TaskRow>(
      `task row ${task} ${distance}`,
      () => this.store.engine.lab("taskRow", { task, distance }) as Promise<TaskRow>,
    ).value;
    if (answer.state !== "ready") return nothing;
    const { symbols, answers } = answer.value;
    const due = answers.flatMap((a, i) => (a >= 0 ? [i] : [])).at(-1)!;
    const at = answers[due]!;
    const said = task === "recall" ? "the marked letter" : "what was read, last first";
    return html`<figure class="task-row"><figcaption>A row of the task, as every model reads it: at each ? comes ${said}. At the last one that is <b class="key-word">${symbols[at]!.toLowerCase()}</b>, ${due - at} tokens back.</figcaption>
      <p class="letters">${symbols.map((s, i) => html`<span class=${i === at ? "key-word" : i === due ? "query-word" : answers[i]! >= 0 ? "" : "soft"}>${s}</span> `)}</p></figure>`; // biome-ignore format: one template
  }

  #buttons(c: Settings): TemplateResult {
    if (this.#work.busy) return this.#work.button;
    const stopped = this.runs.size > 0 && !this.#done;
    if (!stopped)
      return html`<button class="primary" id="train" @click=${() => this.#start(c)}>${this.runs.size > 0 ? "Train them again" : "Train them"}</button>`;
    return html`<button class="primary" id="go-on" @click=${() => this.#goOn()}>Go on</button> <button id="train" @click=${() => this.#start(c)}>Train them anew</button>`; // biome-ignore format: one template
  }

  get #done(): boolean {
    return [...this.runs.values()].every((r) => r.done);
  }

  /** Where the training stands. */
  #state(): string {
    const all = [...this.runs.values()];
    if (all.length === 0 || !this.#settings) return "";
    const step = Math.min(...all.map((r) => r.step));
    const { steps } = this.#settings;
    if (this.#work.busy) return `step ${step} of ${steps}`;
    if (this.#done) return `step ${steps} of ${steps}: done`;
    return `Stopped at step ${step} of ${steps}; it goes on from step ${Math.min(...all.map((r) => r.from))}, as if it had never stopped.`;
  }

  /** Settings that were changed since: what is shown belongs to the old ones. */
  #other(c: Settings): TemplateResult | typeof nothing {
    const s = this.#settings;
    if (!s || JSON.stringify(s) === JSON.stringify(c)) return nothing;
    return html`<p class="note" data-testid="other">Shown below: ${s.task === "copy" ? "copy" : "recall"} over ${s.distance} tokens, ${s.steps} steps, ${s.models.map((m) => modelNames[m]).join(", ")}. What you have set since holds for the next training.</p>`; // biome-ignore format: one template
  }

  #start(c: Settings): Promise<void> {
    this.#settings = c;
    this.runs = new Map(c.models.map((m) => [m, new KeptRun<LabStep>()]));
    return this.#train({});
  }

  #goOn(): Promise<void> {
    const from: SequenceAsked["from"] = {};
    for (const [model, run] of this.runs) {
      const bytes = run.rewind();
      if (bytes) from[model] = bytes;
    }
    return this.#train(from);
  }

  async #train(from: NonNullable<SequenceAsked["from"]>): Promise<void> {
    const { task, distance, steps, models } = this.#settings!;
    const runs = this.runs;
    const asked: SequenceAsked = { models, task, distance, steps, seed: 1, from };
    let drawn = 0;
    const onStep = (step: unknown): void => {
      const s = step as LabStep;
      runs.get(s.model)!.add(s);
      if (performance.now() - drawn > 120 || s.look) {
        drawn = performance.now();
        this.requestUpdate();
      }
    };
    await this.#work.start(async ({ signal }) => {
      await this.store.engine.lab("sequence", asked, { signal, onStep });
    });
  }
}
define(tag, SequenceLab);
