/**
 * @file The sequence lab: why attention. The same task, as many weights, as many steps; what differs is how far the answer
 * can be carried, and how much of the slope arrives back where it was read.
 *
 * In a recurrent layer the slope passes one matrix a step, so after k steps it is about a k-th power: it vanishes or
 * explodes (Bengio et al. 1994; Hochreiter 1991). Attention joins any two positions by one step.
 * Runs anywhere, a browser's worker included: an async iterator that lets messages through.
 */
import { gradient } from "../autograd/index.js";
import { ops } from "../kernels/current.js";
import { breather } from "../models/pause.js";
import { crossEntropy } from "../nn/index.js";
import type { Tensor } from "../tensor/index.js";
import { AdamW } from "./adamw.js";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { train } from "./loop.js";
import { warmUpCosine } from "./schedule.js";
import { type SequenceModel, type SequenceModelKind, sequenceModel, sequenceModelKinds } from "./sequence-models.js";
import { type TaskBatch, type TaskOptions, taskBatch, vocabularyOf } from "./sequence-tasks.js";

/** What can be trained in the lab: a model of each kind, and attention without its factor 1/√d, to see what it is for. */
export type LabModel = SequenceModelKind | "unscaled";
export const labModels: readonly LabModel[] = [...sequenceModelKinds, "unscaled"];

export interface LabOptions extends TaskOptions {
  model: LabModel;
  /** Default 600. */
  steps?: number;
  /** Rows a step; default 32. */
  rows?: number;
  /** Weights of the model; default 8,000. */
  parameters?: number;
  /** Default 3e-3. */
  learningRate?: number;
  /** Default 1. */
  seed?: number;
  /** Steps between two looks at accuracy and slopes; default a twelfth of all. */
  look?: number;
  /** Every look brings the run as bytes, from which it can be taken up again. Default false. */
  keep?: boolean;
  /** A run to take up again, as a look of one with the same options has kept it. */
  from?: Uint8Array;
}

/** What an option that is left out stands for. */
export const labDefaults = {
  steps: 600,
  rows: 32,
  parameters: 8000,
  learningRate: 3e-3,
  seed: 1,
  symbols: 8,
  distance: 32,
} as const;

/** A number for a distance. */
export interface AtDistance {
  distance: number;
  value: number;
}

export interface LabStep {
  model: LabModel;
  step: number;
  steps: number;
  /** Of the step's rows, before it. */
  loss: number;
  /** At a look. */
  look?: LabLook;
  /** At a look, where it is wanted: the run as bytes. */
  kept?: Uint8Array;
}

export interface LabLook {
  /** Share of right answers, over all. Guessing gives 1/symbols. */
  accuracy: number;
  /** Share of right answers whose symbol lay so far back. */
  accuracyByDistance: AtDistance[];
  /** Length of the slope of the last answer's loss with respect to the token so far back: vanishing, seen as it happens. */
  gradientByDistance: AtDistance[];
  parameters: number;
}

/**
 * Trains one model on one task. A run that is taken up again gives the steps that are left, to the same bits.
 * @returns at the end nothing; every step is yielded, a look among them now and then
 */
export async function* sequenceLab(options: LabOptions): AsyncGenerator<LabStep> {
  const { model: name, steps, rows, parameters, learningRate, seed } = { ...labDefaults, ...options };
  const look = options.look ?? Math.max(1, Math.floor(steps / 12));
  const kind = name === "unscaled" ? "attention" : name;
  const scale = name === "unscaled" ? { scale: 1 } : {};
  const model = sequenceModel({ kind, parameters, seed, vocabulary: vocabularyOf(options), ...scale });
  const optimiser = new AdamW({ learningRate, weightDecay: 0 });
  const from = options.from ? readCheckpoint(options.from, model, optimiser).step : 0;
  const breathe = breather();
  const seen = (): Pick<LabStep, "look" | "kept"> => ({
    look: lookAt(model, options, seed),
    ...(options.keep && { kept: writeCheckpoint(model, optimiser, null) }),
  });
  if (from === 0) yield { model: name, step: 0, steps, loss: Number.NaN, ...seen() };
  for (const { step, loss } of train({
    model,
    optimiser,
    steps,
    from,
    forward: ({ inputs, rows: n }) => model.forward(inputs, n),
    batch: (s) => taskBatch(options, rows, seed, s),
    learningRate: warmUpCosine({ peak: learningRate, warmUp: Math.min(20, steps), steps }),
  })) {
    yield { model: name, step, steps, loss, ...((step % look === 0 || step === steps) && seen()) };
    await breathe();
  }
}

/** Rows a look is taken on: never trained on, the same at every look. */
const HELD = 512;

function lookAt(model: SequenceModel, options: TaskOptions, seed: number): LabLook {
  const held = taskBatch(options, HELD, seed, -2);
  const right = ops().scope(() => answers(model, held));
  const slopes = slopesOfLast(model, taskBatch(options, 64, seed, -3));
  return {
    accuracy: mean(right.map((r) => r.value)),
    accuracyByDistance: meansByDistance(right),
    gradientByDistance: meansByDistance(slopes),
    parameters: model.parameterCount,
  };
}

/** 1 for each right answer, 0 for each wrong one, with its distance. */
function answers(model: SequenceModel, { inputs, labels, distances, rows }: TaskBatch): AtDistance[] {
  const logits = model.forward(inputs, rows);
  const V = logits.shape.at(-1)!;
  const { data } = logits;
  const out: AtDistance[] = [];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === -100) continue;
    let top = 0;
    for (let v = 1; v < V; v++) if (data[i * V + v]! > data[i * V + top]!) top = v;
    out.push({ distance: distances[i]!, value: top === labels[i] ? 1 : 0 });
  }
  return out;
}

/** ‖∂ loss of the last answer / ∂ embedded token‖ for every token before it, with its distance. */
function slopesOfLast(model: SequenceModel, { inputs, labels, rows, length }: TaskBatch): AtDistance[] {
  const last = labels.map((label, i) => ((i + 1) % length === 0 ? label : -100));
  const embedded = model.embed(inputs, rows);
  const loss = (x: Tensor): Tensor => crossEntropy(model.decide(x), last);
  const slope = gradient(loss, [embedded]).inputs[0]!;
  const d = slope.shape[2]!;
  const out: AtDistance[] = [];
  for (let i = 0; i < rows * length; i++) {
    let squares = 0;
    for (let n = 0; n < d; n++) squares += slope.data[i * d + n]! ** 2;
    out.push({ distance: length - 1 - (i % length), value: rows * Math.sqrt(squares) }); // of one row's own loss
  }
  return out;
}

function meansByDistance(numbers: readonly AtDistance[]): AtDistance[] {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const { distance, value } of numbers) {
    const held = sums.get(distance) ?? { sum: 0, count: 0 };
    sums.set(distance, { sum: held.sum + value, count: held.count + 1 });
  }
  return Array.from(sums, ([distance, { sum, count }]) => ({ distance, value: sum / count })).sort(
    (a, b) => a.distance - b.distance,
  );
}

function mean(xs: readonly number[]): number {
  return xs.reduce((a, b) => a + b, 0) / xs.length;
}
