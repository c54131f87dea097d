import { expect, test } from "vitest";
import { AdamW } from "./adamw.js";
import { batchOf } from "./batches.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { AttentionOnly } from "./head-forms.js";
import { type StepReport, train } from "./loop.js";
import { warmUpCosine } from "./schedule.js";

const corpus = Uint16Array.from({ length: 400 }, (_, i) => i % 7); // learnable: what follows is always the same
const newRun = () => ({
  model: new AttentionOnly({ vocabulary: 8, width: 16, heads: 2 }).initialise(5),
  optimiser: new AdamW(),
});
type Run = ReturnType<typeof newRun>;

const go = ({ model, optimiser }: Run, from: number, to: number, microBatch = 4): StepReport[] => [
  ...train({
    model,
    optimiser,
    from,
    steps: to,
    microBatch,
    forward: ({ inputs, rows }) => model.forward(inputs, rows),
    batch: (step) =>
      batchOf(corpus, { rows: 4, length: 12, repeatedRandom: 1, vocabulary: 8, stretch: [3, 5] }, 9, step),
    learningRate: warmUpCosine({ peak: 1e-2, warmUp: 5, steps: 60 }),
  }),
];
const bits = ({ model }: Run): number[] => Object.values(model.state()).flatMap((t) => [...t.data]);

test("the loss falls", () => {
  const reports = go(newRun(), 0, 40);
  expect(reports[0]!.loss).toBeGreaterThan(1.5); // ln 8 = 2.08: it knows nothing
  expect(reports.at(-1)!.loss).toBeLessThan(0.5 * reports[0]!.loss);
});

test("a run that was stopped and taken up again ends with the same bits as one that was not", () => {
  const whole = newRun();
  go(whole, 0, 12);
  const first = newRun();
  go(first, 0, 7);
  const saved = writeCheckpoint(first.model, first.optimiser, { note: "seven" });
  const second = newRun();
  const { step, notes } = readCheckpoint(saved, second.model, second.optimiser);
  expect([step, notes]).toEqual([7, { note: "seven" }]);
  go(second, step, 12);
  expect(bits(second)).toEqual(bits(whole));
});

test("rows may go through a few at a time: the same step up to rounding", () => {
  const [together, apart] = [newRun(), newRun()];
  const a = go(together, 0, 1, 4)[0]!;
  const b = go(apart, 0, 1, 1)[0]!;
  expect(b.loss).toBeCloseTo(a.loss, 5);
  expect(b.gradientNorm).toBeCloseTo(a.gradientNorm, 5);
});

test("a checkpoint of another model, and a file that is none, are refused", () => {
  const run = newRun();
  const saved = writeCheckpoint(run.model, run.optimiser, null);
  const wider = new AttentionOnly({ vocabulary: 8, width: 24, heads: 2 });
  expect(() => readCheckpoint(saved, wider, new AdamW())).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: train: "embed.weight" has shape [8, 16]; expected [8, 24].]`,
  );
  expect(() => readCheckpoint(saved.slice(0, 40), run.model, new AdamW(), "run.safetensors")).toThrow(
    /run\.safetensors/,
  );
});
