/**
 * @file Runs of the sequence lab as a picture and as a page: loss by step, right answers by distance, and the slope by
 * distance before and after. Pure text from numbers; runs of the same settings lie on the same axes.
 */
import type { LabRun } from "./lab-run.js";
import { type AtDistance, type LabModel, labDefaults } from "./sequence-lab.js";
import { chartFile, type Line, type LineChart, type Style, thinned } from "./line-charts.js";
import { reportPage } from "./report-page.js";

/** Names of the models: in full, in a sentence, at the end of a line. */
export const labNames: Record<LabModel, { full: string; said: string; short: string; style: Style }> = {
  rnn: { full: "RNN", said: "the RNN", short: "RNN", style: "a" },
  lstm: { full: "LSTM", said: "the LSTM", short: "LSTM", style: "b" },
  gru: { full: "GRU", said: "the GRU", short: "GRU", style: "d" },
  attention: { full: "attention", said: "attention", short: "attention", style: "c" },
  unscaled: { full: "attention without 1/√d", said: "attention without 1/√d", short: "no 1/√d", style: "e" },
};

const titles = { recall: "recall what was marked", copy: "copy, last first" } as const;

/** One SVG, two charts a row, with the summary and the command beneath. */
export function labSvg(runs: readonly LabRun[]): string {
  return chartFile(titleOf(runs), chartsOf(runs), [summary(runs), settings(runs), `Made by: ${command(runs)}`]);
}

/** One page with the charts, the numbers as tables, the command, and all of it as JSON. Opens without a network. */
export function labHtml(runs: readonly LabRun[]): string {
  const distances = thin(runs[0]?.looks.at(-1)?.accuracyByDistance ?? []).map((a) => a.distance);
  const at = (list: readonly AtDistance[], distance: number): number =>
    list.find((a) => a.distance === distance)?.value ?? Number.NaN;
  return reportPage({
    title: titleOf(runs),
    summary: summary(runs),
    settings: settings(runs),
    charts: chartsOf(runs).map((c) => ({ ...c, says: summary(runs) })),
    key: runs.map(({ model }) => ({ name: labNames[model].full, style: labNames[model].style })),
    tables: [
      {
        caption: "Model by model",
        head: [
          "model",
          "weights",
          "steps",
          "loss, nats",
          "right",
          `right ${farWords(runs)}`,
          "slope far ÷ near, before",
        ],
        rows: runs.map((r) => [
          labNames[r.model].full,
          r.parameters.toLocaleString("en"),
          r.steps === r.of ? `${r.steps}` : `${r.steps} of ${r.of}`,
          tailLoss(r).toFixed(3),
          percent(r.looks.at(-1)!.accuracy),
          percent(far(r.looks.at(-1)!.accuracyByDistance)),
          faded(fade(r)),
        ]),
      },
      {
        caption: "Right answers, by how many tokens back they lie",
        head: ["model", ...distances.map(String)],
        rows: runs.map((r) => [
          labNames[r.model].full,
          ...distances.map((d) => percent(at(r.looks.at(-1)!.accuracyByDistance, d))),
        ]),
      },
      {
        caption: "Slope before training, ‖∂loss/∂token‖, by how many tokens back",
        head: ["model", ...distances.map(String)],
        rows: runs.map((r) => [
          labNames[r.model].full,
          ...distances.map((d) => at(r.looks[0]!.gradientByDistance, d).toExponential(1)),
        ]),
      },
    ],
    command: command(runs),
    data: runs,
  });
}

/** In a sentence or two: who answers how well, and what becomes of the slope on its way back. */
export function summary(runs: readonly LabRun[]): string {
  if (runs.length === 0) return "Nothing was trained.";
  const best = [...runs].sort((a, b) => b.looks.at(-1)!.accuracy - a.looks.at(-1)!.accuracy);
  const steps = [...new Set(runs.map((r) => r.looks.at(-1)!.step))];
  const said = best.map((r) => {
    const last = r.looks.at(-1)!;
    const when = steps.length > 1 ? ` (at step ${last.step})` : "";
    return `${labNames[r.model].said} ${percent(last.accuracy)}${when}`;
  });
  const begin = steps.length === 1 ? `After ${steps[0]} steps, right answers` : "Right answers so far";
  const slopes = runs.map((r) => `${faded(fade(r))} in ${labNames[r.model].said}`);
  const lone = runs.find((r) => r.steps < r.of);
  return `${begin}: ${said.join(", ")}; guessing gives ${percent(1 / runs[0]!.settings.symbols)}. Untrained, what arrives of a slope ${farWords(runs)}, against one token back: ${slopes.join(", ")}.${lone ? ` Stopped at step ${lone.steps} of ${lone.of}.` : ""}`;
}

/** The command that makes these runs. */
export function command(runs: readonly LabRun[]): string {
  const { task, of, settings } = runs[0]!;
  const given: [string, number, number][] = [
    ["steps", of, labDefaults.steps],
    ["distance", settings.distance, labDefaults.distance],
    ["parameters", settings.parameters, labDefaults.parameters],
    ["rows", settings.rows, labDefaults.rows],
    ["learning-rate", settings.learningRate, labDefaults.learningRate],
    ["seed", settings.seed, labDefaults.seed],
  ];
  const other = given.filter(([, own, usual]) => own !== usual).map(([name, own]) => ` --${name} ${own}`);
  return `qkv train --task ${task} --model ${runs.map((r) => r.model).join(",")}${other.join("")}`;
}

function titleOf(runs: readonly LabRun[]): string {
  return `Why attention: ${runs[0] ? `${titles[runs[0].task]}, up to ${runs[0].settings.distance} tokens back` : "nothing yet"}`;
}

function settings(runs: readonly LabRun[]): string {
  const { of, settings: s } = runs[0]!;
  const weights = runs.map((r) => `${labNames[r.model].full} ${r.parameters.toLocaleString("en")}`).join(", ");
  return `Equal steps (${of}, of ${s.rows} rows each) and about equal weights (${weights}); the same rows for all, learning rate ${s.learningRate}, seed ${s.seed}, ${s.symbols} symbols. Answers are counted on 512 rows and slopes on 64 that were never trained on.`;
}

function chartsOf(runs: readonly LabRun[]): LineChart[] {
  const lines = (points: (run: LabRun) => Line["points"]): Line[] =>
    runs.map((run) => ({ name: labNames[run.model].short, style: labNames[run.model].style, points: points(run) }));
  const by = (list: readonly AtDistance[]): Line["points"] =>
    list.filter((a) => a.distance > 0).map(({ distance, value }) => ({ x: distance, y: value }));
  const slopes = [0, -1].map((n) => lines((run) => by(run.looks.at(n)!.gradientByDistance)));
  const all = slopes.flatMap((s) => s.flatMap((l) => l.points.map((p) => p.y))).filter((y) => y > 0);
  const between = [Math.min(...all), Math.max(...all)] as const;
  const symbols = runs[0]?.settings.symbols ?? labDefaults.symbols;
  const slope = { x: "how far back, tokens", y: "‖∂loss/∂token‖", log: true, between };
  return [
    {
      title: "Loss while training",
      x: "step",
      y: "loss, nats an answer",
      level: { y: Math.log(symbols), name: "guessing" },
      lines: lines((run) => thinned(run.losses.map(({ step, loss }) => ({ x: step, y: loss })))),
    },
    {
      title: "Right answers, by how far back they lie",
      x: "how far back, tokens",
      y: "right answers",
      share: true,
      level: { y: 1 / symbols, name: "guessing" },
      lines: lines((run) => by(run.looks.at(-1)!.accuracyByDistance)),
    },
    { title: "Slope that arrives, before training", ...slope, lines: slopes[0]! },
    { title: "Slope that arrives, at the end", ...slope, lines: slopes[1]! },
  ];
}

/** Mean over the last twentieth of the steps. */
export function tailLoss({ losses }: LabRun): number {
  const tail = losses.slice(-Math.max(1, Math.floor(losses.length / 20)));
  return tail.length === 0 ? Number.NaN : tail.reduce((sum, l) => sum + l.loss, 0) / tail.length;
}

/** The furthest quarter of the distances. */
function furthest(list: readonly AtDistance[]): AtDistance[] {
  const own = list.filter((a) => a.distance > 0);
  return own.slice(-Math.max(1, Math.floor(own.length / 4)));
}
const far = (list: readonly AtDistance[]): number => {
  const part = furthest(list);
  return part.reduce((sum, a) => sum + a.value, 0) / part.length;
};
function farWords(runs: readonly LabRun[]): string {
  const part = furthest(runs[0]?.looks.at(-1)?.accuracyByDistance ?? []);
  return part.length < 2
    ? `${part[0]?.distance ?? 0} tokens back`
    : `${part[0]!.distance}–${part.at(-1)!.distance} tokens back`;
}

/** Before training: slope at the far end as a share of that one token back. All models are equally wrong then. */
function fade(run: LabRun): number {
  const slopes = run.looks[0]!.gradientByDistance;
  return far(slopes) / (slopes.find((a) => a.distance === 1)?.value ?? Number.NaN);
}

/** At most nine of them, evenly. */
function thin<T>(list: readonly T[]): T[] {
  const step = Math.ceil(list.length / 8);
  return list.filter((_, n) => n % step === 0 || n === list.length - 1);
}

const percent = (x: number): string => (Number.isNaN(x) ? "–" : `${Math.round(100 * x)} %`);
const faded = (x: number): string => (x > 0.5 ? "as much" : power(x));
/** A share, large or tiny, so that it can be compared. */
function power(x: number): string {
  if (Number.isNaN(x)) return "–";
  if (x >= 0.01) return percent(x);
  const [digit, exponent] = x.toExponential(0).split("e-");
  return x > 0 ? `${digit} · 10⁻${exponent!.replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]!)}` : "nothing";
}
