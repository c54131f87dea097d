/**
 * @file Trains the bundled model: texts → tokenizer → tokens → the same `Llama` that `loadModel` makes → weights.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { ops } from "../../kernels/current.js";
import { Config } from "../../models/config.js";
import type { Model } from "../../models/model.js";
import { architectureOf } from "../../models/registry.js";
import { crossEntropy } from "../../nn/index.js";
import type { Tensor } from "../../tensor/index.js";
import { AdamW, matricesOnly } from "../adamw.js";
import { type Batch, batchOf } from "../batches.js";
import { type BytePairs, bytePairEncoder, trainBytePairs } from "../byte-pairs.js";
import { readCheckpoint, writeCheckpoint } from "../checkpoint.js";
import { best, type HeadScore, headScores } from "../head-scores.js";
import { train } from "../loop.js";
import { restarts } from "../schedule.js";
import { type Corpus, readCorpus } from "./corpus.js";
import { recipe, startOf } from "./recipe.js";

/** A look at the run: what is written to the log, the checkpoint and the birth certificate. */
export interface Look {
  step: number;
  tokens: number;
  /** Mean over the steps since the last look, on rows as they are trained on. */
  loss: number;
  learningRate: number;
  gradientNorm: number;
  secondsPerStep: number;
  /** On held-back text, in nats a token and a character. */
  validation: number;
  perCharacter: number;
  previous: HeadScore;
  first: HeadScore;
  induction: HeadScore;
}

export interface BundledRun {
  model: Model;
  pairs: BytePairs;
  corpus: Corpus;
  looks: Look[];
}

export interface BundledOptions {
  /** Where the run is kept; taken up again when it is there. */
  checkpoint: string;
  /** The last step; default the recipe's. */
  steps?: number;
  /** Told of each step: step, loss, seconds; and of each look. */
  onStep?: (step: number, steps: number, loss: number) => void;
  onLook?: (look: Look, run: BundledRun) => void;
  /** Told what goes on before the first step. */
  onStage?: (says: string) => void;
}

const plannedSteps = recipe.learningRate.reduce((n, stretch) => n + stretch.steps, 0);

/** Runs to the end, or from the checkpoint on. Cost: about 13 Mflop a token and pass; three quarters of an hour on one quiet core. */
export function trainBundled({
  checkpoint,
  steps = plannedSteps,
  onStep,
  onLook,
  onStage,
}: BundledOptions): BundledRun {
  onStage?.("reading texts");
  const corpus = readCorpus();
  onStage?.("learning tokens");
  const pairs = trainBytePairs(corpus.training, recipe.config.vocab_size, recipe.specials);
  onStage?.("cutting texts into tokens");
  const encode = bytePairEncoder(pairs);
  const training = stream(corpus.training, encode);
  const held = stream(corpus.validation, encode);
  const perToken = corpus.validation.reduce((n, t) => n + t.length, 0) / held.length;

  const model = newModel();
  const optimiser = new AdamW({ ...recipe.optimiser, decays: matricesOnly });
  const resumed = existsSync(checkpoint)
    ? readCheckpoint<Look[]>(readFileSync(checkpoint), model, optimiser, checkpoint)
    : undefined;
  const run: BundledRun = { model, pairs, corpus, looks: resumed?.notes ?? [] };
  const forward = (batch: Batch): Tensor => logitsOf(model, batch);
  let since = { loss: 0, milliseconds: 0, steps: 0 };
  for (const report of train({
    model,
    forward,
    optimiser,
    batch: (step) => batchOf(training, recipe.batch, recipe.seed, step),
    learningRate: restarts(
      recipe.learningRate.map((s) => ({ ...s, steps: Math.ceil((s.steps * steps) / plannedSteps) })),
    ),
    steps,
    from: resumed?.step ?? 0,
    clip: recipe.clip,
    microBatch: recipe.microBatch,
  })) {
    const { step, loss, milliseconds, learningRate, gradientNorm } = report;
    onStep?.(step, steps, loss);
    since = { loss: since.loss + loss, milliseconds: since.milliseconds + milliseconds, steps: since.steps + 1 };
    if (step % recipe.look !== 0 && step !== steps) continue;
    const validation = validationLoss(forward, held);
    const scores = scoresOf(model);
    const look: Look = {
      step,
      tokens: step * recipe.batch.rows * recipe.batch.length,
      loss: since.loss / since.steps,
      learningRate,
      gradientNorm,
      secondsPerStep: since.milliseconds / since.steps / 1000,
      validation,
      perCharacter: validation / perToken,
      previous: best(scores, "previous"),
      first: best(scores, "first"),
      induction: best(scores, "induction"),
    };
    run.looks.push(look);
    replaceFile(checkpoint, writeCheckpoint(model, optimiser, run.looks));
    onLook?.(look, run);
    since = { loss: 0, milliseconds: 0, steps: 0 };
  }
  return run;
}

/** Written beside its name and then renamed: a machine that stops in the middle leaves the one before. */
function replaceFile(file: string, bytes: Uint8Array): void {
  writeFileSync(`${file}.part`, bytes);
  renameSync(`${file}.part`, file);
}

/** The architecture of the recipe, with the weights it starts from. */
export function newModel(): Model {
  const config = new Config(recipe.config, "the recipe");
  const { make } = architectureOf(config);
  return new make(config, { name: "bundled" }).initialise(recipe.seed, startOf);
}

/** Logits [rows, length, V] of a batch: the pass that inference makes. */
export function logitsOf(model: Model, { inputs, rows, length }: Pick<Batch, "inputs" | "rows" | "length">): Tensor {
  return model.compute({ tokens: { batch: rows, length, ids: inputs } }, {}).logits!;
}

/** What each head does with random tokens, repeated once. */
export function scoresOf(model: Model, seed = 1): HeadScore[] {
  const forward = (rows: number[][]): unknown =>
    logitsOf(model, { inputs: Int32Array.from(rows.flat()), rows: rows.length, length: rows[0]!.length });
  return headScores(forward, { vocabulary: recipe.config.vocab_size, first: recipe.batch.first, seed });
}

/** All texts under one another, each with the end of text behind it. */
function stream(texts: readonly string[], encode: (text: string) => number[]): Uint16Array {
  const ids: number[] = [];
  for (const text of texts) {
    for (const id of encode(text)) ids.push(id);
    ids.push(0);
  }
  return Uint16Array.from(ids);
}

/** Mean of −ln p over `rows` stretches, evenly spread over the held-back text. */
export function validationLoss(forward: (batch: Batch) => Tensor, held: Uint16Array, rows = 64): number {
  const { length } = recipe.batch;
  const at = recipe.microBatch;
  let sum = 0;
  for (let row = 0; row < rows; row += at) {
    const [inputs, labels] = [new Int32Array(at * length), new Int32Array(at * length)];
    for (let n = 0; n < at; n++) {
      const from = Math.floor(((row + n) / rows) * (held.length - length - 1));
      inputs.set(held.subarray(from, from + length), n * length);
      labels.set(held.subarray(from + 1, from + length + 1), n * length);
    }
    sum += at * ops().scope(() => crossEntropy(forward({ inputs, labels, rows: at, length }), labels).data[0]!);
  }
  return sum / rows;
}
