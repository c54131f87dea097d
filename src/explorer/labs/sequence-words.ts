/** @file What the sequence lab says of its runs: a verdict in a sentence, and a table of equal weights, equal steps and what came out. */
import { html, type TemplateResult } from "lit";
import type { LabModel, LabStep } from "../engine/sequence.js";
import { framed } from "../views/framed.js";
import type { KeptRun } from "./kept-run.js";

export type Runs = readonly (readonly [LabModel, KeptRun<LabStep>])[];
export type Look = NonNullable<LabStep["look"]>;

export const modelNames: Record<LabModel, string> = {
  rnn: "RNN",
  lstm: "LSTM",
  gru: "GRU",
  attention: "attention",
  unscaled: "attention without 1/√d",
};
const inSentence = (m: LabModel): string =>
  m === "attention" || m === "unscaled" ? modelNames[m] : `the ${modelNames[m]}`;

/** Right once in so many times without having read anything. */
export const guessing = 1 / 8;

/** A run's looks with their steps. */
export function looksOf(run: KeptRun<LabStep>): { step: number; look: Look }[] {
  return run.steps.flatMap((s) => (s.look ? [{ step: s.step, look: s.look }] : []));
}

/** Mean over the furthest quarter of the distances. */
function far(list: Look["accuracyByDistance"]): number {
  const own = list.filter((a) => a.distance > 0);
  const part = own.slice(-Math.max(1, Math.floor(own.length / 4)));
  return part.reduce((sum, a) => sum + a.value, 0) / part.length;
}

/** Slope at the far end as a share of that one token back, before training: all models are equally wrong then. */
function fade(look: Look): number {
  return far(look.gradientByDistance) / look.gradientByDistance.find((a) => a.distance === 1)!.value;
}

/** Who answers how well, and why. */
export function verdict(runs: Runs): string {
  const now = runs.flatMap(([m, run]) => {
    const last = looksOf(run).at(-1);
    return last ? [{ m, step: last.step, right: last.look.accuracy }] : [];
  });
  if (now.length === 0) return "The first look is being taken.";
  const step = Math.min(...now.map((n) => n.step));
  const order = [...now].sort((a, b) => b.right - a.right);
  const said = order.map(({ m, right }) => `${inSentence(m)} ${percent(right)}`).join(", ");
  const first = runs.flatMap(([m, run]) => (m === "rnn" ? looksOf(run).slice(0, 1) : []))[0];
  const why = first
    ? ` Of the slope one token back, the RNN passes ${power(fade(first.look))} on to the far end: what it should have kept there it is hardly told. Attention reaches every token in one step.`
    : "";
  return step === 0
    ? `Untrained, all of them guess: ${percent(guessing)} right.${why}`
    : `After ${step} steps, right answers: ${said}; guessing gives ${percent(guessing)}.${why}`;
}

export function sequenceTable(runs: Runs): TemplateResult {
  const caption = "As many weights and as many steps for each";
  return framed(caption, html`<table class="numbers" data-testid="equal"><caption>${caption}</caption>
    <thead><tr><th scope="col">model</th><th scope="col">weights</th><th scope="col">steps</th><th scope="col">right</th><th scope="col">right, furthest quarter</th><th scope="col">slope, far ÷ near, untrained</th></tr></thead>
    <tbody>${runs.map(([m, run]) => {
      const looks = looksOf(run);
      const [first, last] = [looks[0]?.look, looks.at(-1)?.look];
      return html`<tr><th scope="row">${modelNames[m]}</th><td>${first ? first.parameters.toLocaleString("en") : "…"}</td><td>${run.step}</td><td>${last ? percent(last.accuracy) : "…"}</td><td>${last ? percent(far(last.accuracyByDistance)) : "…"}</td><td>${first ? faded(fade(first)) : "…"}</td></tr>`;
    })}</tbody></table>`); // biome-ignore format: one template
}

const percent = (x: number): string => `${Math.round(100 * x)} %`;
const faded = (x: number): string => (x > 0.5 ? "as much" : power(x));
/** A share, however small. */
function power(x: number): string {
  if (x >= 0.01) return percent(x);
  const [digits, exponent] = x.toExponential(0).split("e-");
  return `${digits} · 10⁻${(exponent ?? "0").replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]!)}`;
}
