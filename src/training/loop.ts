/**
 * @file The training loop: batches in, weights moved, a record of how it went; stoppable and resumable at any step.
 *
 *     for each step:  batch(step) ─▶ loss and slopes, a few rows at a time ─▶ clip ─▶ schedule(step) ─▶ AdamW
 *
 * Everything a step does follows from the weights, the optimiser's means and the number of the step, so a run that was
 * stopped and resumed ends with the same bits as one that was not.
 */
import { valueAndGradients } from "../autograd/index.js";
import { kernelInForce } from "../kernels/current.js";
import { crossEntropy, type Module } from "../nn/index.js";
import type { Tensor } from "../tensor/index.js";
import type { AdamW } from "./adamw.js";
import { type Batch, partOf } from "./batches.js";
import { clip } from "./schedule.js";

export interface LoopOptions {
  model: Module;
  /** Logits [rows·length, V] (or [rows, length, V]) of a batch. */
  forward: (batch: Batch) => Tensor;
  optimiser: AdamW;
  /** The batch of a step; steps count from 1. */
  batch: (step: number) => Batch;
  /** Learning rate of a step. */
  learningRate: (step: number) => number;
  /** The last step. */
  steps: number;
  /** Steps made before (a resumed run). */
  from?: number;
  /** Longest length of all slopes together; default 1. */
  clip?: number;
  /** Rows that go through the model at once: less memory, same result up to rounding. Default all. */
  microBatch?: number;
}

/** How a step went. */
export interface StepReport {
  step: number;
  /** Mean of −ln p(label) before the step. */
  loss: number;
  learningRate: number;
  /** Length of all slopes together, before clipping. */
  gradientNorm: number;
  milliseconds: number;
}

/** Trains step by step; whoever iterates decides when to look, to save and to stop. */
export function* train(options: LoopOptions): Generator<StepReport> {
  const { model, forward, optimiser, steps, from = 0, microBatch = Number.POSITIVE_INFINITY } = options;
  const kernel = kernelInForce();
  own(model);
  const weights = model.parameters();
  const gradients = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, kernel.allocate(w.shape)]));
  try {
    for (let step = from + 1; step <= steps; step++) {
      const start = performance.now();
      const batch = options.batch(step);
      const size = Math.min(batch.rows, microBatch);
      const parts = Math.ceil(batch.rows / size);
      const total = batch.labels.reduce((n, label) => (label === -100 ? n : n + 1), 0);
      for (const g of Object.values(gradients)) g.data.fill(0);
      let loss = 0;
      for (let n = 0; n < parts; n++) {
        const part = parts === 1 ? batch : partOf(batch, n * size, Math.min(batch.rows, (n + 1) * size));
        const share = part.labels.reduce((m, label) => (label === -100 ? m : m + 1), 0) / total; // of the labels that count
        if (share === 0) continue;
        const body = (): Tensor => crossEntropy(forward(part), part.labels);
        loss += share * valueAndGradients(body, weights, { into: gradients, factor: share }).value;
      }
      const gradientNorm = clip(gradients, options.clip ?? 1);
      optimiser.learningRate = options.learningRate(step);
      optimiser.step(model, gradients);
      const { learningRate } = optimiser;
      yield { step, loss, learningRate, gradientNorm, milliseconds: performance.now() - start };
    }
  } finally {
    for (const g of Object.values(gradients)) kernel.free(g);
  }
}

/** Moves a model's weights into the kernel's own memory: an optimiser then changes them where they are multiplied from. */
export function own(model: Module): void {
  const kernel = kernelInForce();
  for (const [name, parameter] of model.named()) {
    const numbers = parameter.tensor;
    const owned = kernel.allocate(numbers.shape);
    owned.data.set(numbers.data);
    parameter.set(owned, "train", name);
  }
}
