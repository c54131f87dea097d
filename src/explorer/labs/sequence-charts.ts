/** @file The charts of the sequence lab; the slopes can be scrubbed back to any look. */
import { html, type TemplateResult } from "lit";
import type { LabModel, LabStep } from "../engine/sequence.js";
import type { Store } from "../state/store.js";
import { type ChartLine, chart, lineStyles } from "./chart.js";
import type { KeptRun } from "./kept-run.js";
import { guessing, type Look, looksOf, type Runs } from "./sequence-words.js";

const shortNames: Record<LabModel, string> = {
  rnn: "RNN",
  lstm: "LSTM",
  gru: "GRU",
  attention: "attention",
  unscaled: "no 1/√d",
};

export function sequenceCharts(runs: Runs, store: Store): TemplateResult {
  const lines = (points: (run: KeptRun<LabStep>) => ChartLine["points"]): ChartLine[] =>
    runs.map(([m, run]) => ({ name: shortNames[m], ...lineStyles[m]!, points: points(run) }));
  const by = (list: Look["accuracyByDistance"] | undefined): ChartLine["points"] =>
    (list ?? []).filter((a) => a.distance > 0).map((a) => ({ x: a.distance, y: a.value }));
  const { extra } = store.choice.value;
  const looks = runs.map(([, run]) => looksOf(run));
  const most = Math.max(0, ...looks.map((l) => l.length - 1));
  const at = extra["look"] === undefined ? most : Math.min(most, Math.max(0, Math.round(Number(extra["look"])) || 0));
  const step = looks.map((l) => l[Math.min(at, l.length - 1)]?.step ?? 0).reduce((a, b) => Math.max(a, b), 0);
  const scrub = (e: Event): void => {
    const value = Number((e.target as HTMLInputElement).value);
    const { look: _, ...rest } = store.choice.peek().extra;
    store.change({ extra: value >= most ? rest : { ...rest, look: String(value) } });
  };
  const level = { y: guessing, name: "guessing" };
  const slope = { x: "how far back, tokens", y: "‖∂loss/∂token‖", logY: true };
  const percent = (y: number): string => `${Math.round(100 * y)} %`;
  return html`<div class="two-up charts">
      ${chart({ title: "Loss while training", x: "step", y: "loss, nats", level: { y: -Math.log(guessing), name: "guessing" }, lines: lines(smooth) })}
      ${chart({ title: "Right answers while training", x: "step", y: "right answers", top: 1, level, show: percent, lines: lines((run) => looksOf(run).map((l) => ({ x: l.step, y: l.look.accuracy }))) })}
      ${chart({ title: "Right answers, by how far back they lie", x: "how far back, tokens", y: "right answers", top: 1, level, show: percent, lines: lines((run) => by(looksOf(run).at(-1)?.look.accuracyByDistance)) })}
      ${chart({ title: "Slope that arrives so far back, untrained", ...slope, lines: lines((run) => by(looksOf(run)[0]?.look.gradientByDistance)) })}
      ${chart({ title: `The same at step ${step}`, ...slope, lines: lines((run) => { const own = looksOf(run); return by(own[Math.min(at, own.length - 1)]?.look.gradientByDistance); }) })}
      <div class="reading"><label class="slider">slopes at step <input id="look" type="range" min="0" max=${most} step="1" .value=${String(at)} @input=${scrub} /><output>${step}${at === most ? ", the latest" : ""}</output></label>
        <p>A <b>level</b> line: every token is reached alike. A <b>falling</b> one: the slope vanishes on its way, and weights are mended as if what lies far back had not been read. A <b>low</b> one: little is left to learn.</p>
        <p>What the RNN passes on goes through one matrix a token and shrinks each time. Gates were built against that (LSTM, Hochreiter &amp; Schmidhuber 1997): once they have learned to stay open, its line is level too, but they must learn it first. Attention is level from the first step on, at the price of comparing every pair.</p></div>
    </div>`; // biome-ignore format: one template
}

/** Losses of single steps jump; a running mean does not. */
function smooth(run: KeptRun<LabStep>): { x: number; y: number }[] {
  let mean = Number.NaN;
  return run.steps
    .filter((s) => !Number.isNaN(s.loss))
    .map((s) => ({ x: s.step, y: (mean = Number.isNaN(mean) ? s.loss : 0.9 * mean + 0.1 * s.loss) }));
}
