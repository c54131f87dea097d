// The public surface of "qkv/training".
export { AdamW, type AdamWOptions, matricesOnly, type Trainable } from "./adamw.js"; // torch's AdamW
export { type Batch, type BatchOptions, batchOf, partOf } from "./batches.js"; // rows of text and of repeated stretches
export { type BytePairs, bytePairEncoder, tokenizerJson, trainBytePairs } from "./byte-pairs.js"; // a tokenizer of one's own
export { readCheckpoint, writeCheckpoint } from "./checkpoint.js"; // a run as bytes
export { AttentionOnly, type HeadFormsOptions, type HeadFormsStep, headForms } from "./head-forms.js"; // watch a head form
export { best, type HeadScore, type HeadScoreOptions, headScores } from "./head-scores.js"; // previous, first, induction
export { type HeadsMade, headsHtml, headsSummary, headsSvg } from "./heads-report.js"; // a head that formed, as a picture and as a page
export { labHtml, labNames, labSvg, summary, tailLoss } from "./lab-report.js"; // runs of the lab as a picture and as a page
export { addStep, type LabRun, newRun, runLab } from "./lab-run.js"; // a run of the lab, gathered from its steps
export type { Style } from "./line-charts.js"; // how a line is drawn
export { type LoopOptions, own, type StepReport, train } from "./loop.js"; // step by step, stoppable, resumable
export { clip, type ScheduleOptions, warmUpCosine } from "./schedule.js"; // learning rate and slope length
export {
  type AtDistance,
  type LabLook,
  type LabModel,
  type LabOptions,
  type LabStep,
  labDefaults,
  labModels,
  sequenceLab,
} from "./sequence-lab.js"; // why attention
export {
  SequenceModel,
  type SequenceModelKind,
  type SequenceModelOptions,
  sequenceModel,
  sequenceModelKinds,
} from "./sequence-models.js"; // rnn, lstm, gru, attention at equal size
export { lengthOf, type Task, type TaskBatch, type TaskOptions, taskBatch, vocabularyOf } from "./sequence-tasks.js"; // recall and copy
