import { describe, expect, test } from "vitest";
import { type HeadFormsStep, headForms } from "./head-forms.js";
import { headsHtml, headsSummary, headsSvg } from "./heads-report.js";
import { labHtml, labSvg, summary } from "./lab-report.js";
import { runLab } from "./lab-run.js";
import { type LabStep, sequenceLab } from "./sequence-lab.js";
import { sequenceModel, sequenceModelKinds } from "./sequence-models.js";
import { lengthOf, taskBatch, vocabularyOf } from "./sequence-tasks.js";

describe("tasks", () => {
  test("recall: the answer is the marked symbol, so many steps before the question", () => {
    const { inputs, labels, distances, rows, length } = taskBatch(
      { task: "recall", symbols: 4, distance: 9 },
      50,
      1,
      1,
    );
    const seen = new Set<number>();
    for (let row = 0; row < rows; row++) {
      const at = row * length;
      const marked = inputs.subarray(at, at + length).findIndex((x) => x >= 4 && x < 8);
      expect(labels[at + length - 1]).toBe(inputs[at + marked]! - 4);
      expect(distances[at + length - 1]).toBe(length - 1 - marked);
      seen.add(distances[at + length - 1]!);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
  test("copy: what was read comes back last first, the j-th from 2j steps back", () => {
    const { inputs, labels, distances, length } = taskBatch({ task: "copy", distance: 10 }, 1, 1, 1);
    for (let i = 0; i < length; i++) if (labels[i] !== -100) expect(labels[i]).toBe(inputs[i - distances[i]!]);
    expect([...distances].filter((d) => d > 0)).toEqual([2, 4, 6, 8, 10]);
  });
  test("ids stay within the vocabulary and rows within their length", () => {
    for (const task of ["recall", "copy"] as const) {
      const { inputs } = taskBatch({ task, distance: 7 }, 20, 2, 3);
      expect(Math.max(...inputs)).toBeLessThan(vocabularyOf({ task }));
      expect(inputs.length).toBe(20 * lengthOf({ task, distance: 7 }));
    }
  });
});

test("models of all kinds have about as many weights as asked for", () => {
  for (const kind of sequenceModelKinds) {
    const { parameterCount } = sequenceModel({ kind, vocabulary: 18, parameters: 8000 });
    expect(Math.abs(parameterCount - 8000) / 8000, kind).toBeLessThan(0.1);
  }
});

test("an untrained recurrence passes on less slope the further back; attention's path has the same length to all", async () => {
  const options = { task: "recall", distance: 24, steps: 1, rows: 4, parameters: 2000, look: 1 } as const;
  const [rnn, attention] = [
    await runLab({ ...options, model: "rnn" }),
    await runLab({ ...options, model: "attention" }),
  ];
  const decay = (run: typeof rnn): number => {
    const slopes = run.looks[0]!.gradientByDistance;
    return slopes.at(-1)!.value / slopes.find((a) => a.distance === 1)!.value;
  };
  expect(decay(rnn)).toBeLessThan(1e-3);
  expect(decay(attention)).toBeGreaterThan(0.1);
});

test("attention learns to recall in a hundred steps; the report shows it, and a page has its numbers", async () => {
  const run = await runLab({
    task: "recall",
    model: "attention",
    distance: 8,
    symbols: 4,
    steps: 120,
    rows: 32,
    parameters: 3000,
    learningRate: 1e-2,
  });
  expect(run.looks[0]!.accuracy).toBeLessThan(0.5); // guessing: 1 in 4
  expect(run.looks.at(-1)!.accuracy).toBeGreaterThan(0.9);
  expect(run.losses.length).toBe(120);
  const svg = labSvg([run]);
  for (const axis of ["step", "loss, nats an answer", "how far back, tokens", "right answers", "‖∂loss/∂token‖"])
    expect(svg).toContain(`>${axis}</text>`);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  const page = labHtml([run]);
  expect(page).toContain(summary([run]));
  expect(page).toContain("qkv train --task recall --model attention --steps 120 --distance 8 --parameters 3000 --learning-rate 0.01"); // biome-ignore format: one command
  expect(page).toContain("guessing gives 25 %");
  expect(page.replace(/<script[\s\S]*<\/script>/, "")).not.toMatch(/NaN|Infinity|undefined/);
});

const short = { task: "recall", distance: 6, steps: 6, rows: 4, parameters: 600, look: 2 } as const;

test("a run that is taken up again from a look gives the steps that are left, to the same bits", async () => {
  for (const model of ["lstm", "attention", "unscaled"] as const) {
    const whole: LabStep[] = [];
    for await (const step of sequenceLab({ ...short, model, keep: true })) whole.push(step);
    const from = whole.find((s) => s.step === 4)!.kept!;
    const rest: LabStep[] = [];
    for await (const step of sequenceLab({ ...short, model, keep: true, from })) rest.push(step);
    expect(rest, model).toEqual(whole.filter((s) => s.step > 4));
  }
});

test("a run that is stopped is what was learned until then, and its report says so", async () => {
  const control = new AbortController();
  const stop = ({ step }: LabStep): void => {
    if (step === 3) control.abort();
  };
  const runs = [await runLab({ ...short, model: "rnn" }, stop, control.signal)];
  expect(runs[0]!.losses.map((l) => l.step)).toEqual([1, 2, 3]);
  expect(summary(runs)).toMatch(/^After 2 steps, right answers: the RNN .* Stopped at step 3 of 6\.$/);
  expect(labHtml(runs)).toContain("3 of 6");
});

test("attention without 1/√d is a model beside the others, with scores √d times larger", async () => {
  const runs = [await runLab({ ...short, model: "attention" }), await runLab({ ...short, model: "unscaled" })];
  expect(runs[0]!.parameters).toBe(runs[1]!.parameters);
  expect(runs[0]!.losses[0]!.loss).not.toBe(runs[1]!.losses[0]!.loss); // the same weights, another scale
  expect(labHtml(runs)).toContain("attention without 1/√d");
});

test("a model of two layers is watched from its first step on", async () => {
  const steps = [];
  for await (const step of headForms({ steps: 3, look: 1, rows: 2 })) steps.push(step);
  expect(steps.map((s) => s.step)).toEqual([0, 1, 2, 3]);
  const { scores, maps, induction } = steps.at(-1)!;
  expect(scores!.length).toBe(4);
  expect(maps!.map((layer) => layer.map((map) => map.length))).toEqual([
    [576, 576],
    [576, 576],
  ]);
  const sum = maps![1]![0]!.subarray(23 * 24, 24 * 24).reduce((a, b) => a + b, 0);
  expect(sum).toBeCloseTo(1, 5);
  expect(induction!.induction).toBeLessThan(0.2); // not yet
  expect(headsSummary(steps)).toContain("no head has an induction score of 0.5 yet");
  const page = headsHtml(steps, { seed: 1 });
  expect(page.match(/aria-label="Map of head/g)).toHaveLength(12); // four heads at the beginning, on the way, at the end
  expect(page).toContain("qkv train --task heads --steps 3");
  expect(page + headsSvg(steps, { seed: 1 })).not.toMatch(/>[^<{]*(NaN|undefined)/);
});

test("a forming head taken up again goes on to the same bits", async () => {
  const whole: HeadFormsStep[] = [];
  for await (const step of headForms({ steps: 4, look: 2, rows: 2, keep: true })) whole.push(step);
  const rest: HeadFormsStep[] = [];
  for await (const step of headForms({ steps: 4, look: 2, rows: 2, keep: true, from: whole[2]!.kept! }))
    rest.push(step);
  expect(rest).toEqual(whole.slice(3));
});

test("within some two hundred steps the induction circuit is there: a previous-token head, then one that copies what came next", async () => {
  let last: HeadFormsStep | undefined;
  for await (const step of headForms({ steps: 220, look: 220 })) last = step;
  expect(last!.induction!.induction).toBeGreaterThan(0.3); // chance: 0.04
  expect(last!.induction!.layer).toBe(1);
  expect(last!.previous!.layer).toBe(0);
});
