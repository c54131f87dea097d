/** @file All rules, root causes first: what stands earlier leads a report. */
import type { Rule } from "../rule.js";
import { batchAsSequence } from "./batch-as-sequence.js";
import { causalOffByOne } from "./causal-off-by-one.js";
import { causalReversed } from "./causal-reversed.js";
import { futureLeak } from "./future-leak.js";
import { hangs } from "./hangs.js";
import { headsMergedWithoutTranspose } from "./heads-merged-without-transpose.js";
import { headsSplitWithoutTranspose } from "./heads-split-without-transpose.js";
import { maskAfterSoftmax } from "./mask-after-softmax.js";
import { maskConstantWrong } from "./mask-constant-wrong.js";
import { maskHeadOrder } from "./mask-head-order.js";
import { maskIgnored } from "./mask-ignored.js";
import { maskInverted } from "./mask-inverted.js";
import { maskMultipliedBeforeSoftmax } from "./mask-multiplied-before-softmax.js";
import { maskOnQueryAxis } from "./mask-on-query-axis.js";
import { operandsExchanged } from "./operands-exchanged.js";
import { padAttendsPad } from "./pad-attends-pad.js";
import { paddingLeak } from "./padding-leak.js";
import { scaleByHeads } from "./scale-by-heads.js";
import { scaleDModel } from "./scale-d-model.js";
import { scaleIgnored } from "./scale-ignored.js";
import { scaleMissing } from "./scale-missing.js";
import { softmaxAxis } from "./softmax-axis.js";
import { softmaxMissing } from "./softmax-missing.js";
import { throws } from "./throws.js";
import { causalAlignment } from "./causal-alignment.js";
import { cachePrefillNotCausal } from "./cache-prefill-not-causal.js";
import { cacheHistoryMasked } from "./cache-history-masked.js";
import { causalDroppedOnAPath } from "./causal-dropped-on-a-path.js";
import { windowOffByOne } from "./window-off-by-one.js";
import { softcapAfterMask } from "./softcap-after-mask.js";
import { alibiSlopes } from "./alibi-slopes.js";
import { documentsLeakInPack } from "./documents-leak-in-pack.js";
import { dropoutAtEval } from "./dropout-at-eval.js";
import { stateLeak } from "./state-leak.js";
import { batchDependence } from "./batch-dependence.js";
import { gqaTileForRepeat } from "./gqa-tile-for-repeat.js";
import { gqaRepeatOnSequenceAxis } from "./gqa-repeat-on-sequence-axis.js";
import { softmaxUnstable } from "./softmax-unstable.js";
import { fp16ScoresOverflow } from "./fp16-scores-overflow.js";
import { maskOverflowFp16 } from "./mask-overflow-fp16.js";
import { deadRowNaN } from "./dead-row-nan.js";
import { deadRowUniform } from "./dead-row-uniform.js";
import { nanThroughMask } from "./nan-through-mask.js";
import { leftPadPositions } from "./left-pad-positions.js";
import { padInPooling } from "./pad-in-pooling.js";
import { ropeOffsetInCache } from "./rope-offset-in-cache.js";
import { t5BiasInCrossAttention } from "./t5-bias-in-cross-attention.js";
import { ropeLayout } from "./rope-layout.js";
import { projectAfterSplit } from "./project-after-split.js";
import { wrongOutput } from "./wrong-output.js";

export const rules: readonly Rule[] = [
  hangs,
  throws,
  stateLeak,
  dropoutAtEval,
  batchAsSequence,
  headsSplitWithoutTranspose,
  headsMergedWithoutTranspose,
  projectAfterSplit,
  operandsExchanged,
  softmaxMissing,
  softmaxAxis,
  scaleMissing,
  scaleDModel,
  scaleByHeads,
  scaleIgnored,
  maskConstantWrong,
  maskMultipliedBeforeSoftmax,
  maskAfterSoftmax,
  maskInverted,
  maskOnQueryAxis,
  maskHeadOrder,
  padAttendsPad,
  causalReversed,
  causalOffByOne,
  futureLeak,
  maskIgnored,
  paddingLeak,
  causalDroppedOnAPath,
  cachePrefillNotCausal,
  cacheHistoryMasked,
  causalAlignment,
  softmaxUnstable,
  maskOverflowFp16,
  fp16ScoresOverflow,
  deadRowNaN,
  deadRowUniform,
  nanThroughMask,
  gqaTileForRepeat,
  gqaRepeatOnSequenceAxis,
  windowOffByOne,
  softcapAfterMask,
  alibiSlopes,
  documentsLeakInPack,
  ropeLayout,
  ropeOffsetInCache,
  t5BiasInCrossAttention,
  leftPadPositions,
  padInPooling,
  wrongOutput,
  batchDependence,
];

/** The rule of an id or alias; upper and lower case are the same. */
export function ruleOf(id: string): Rule | undefined {
  const name = id.toLowerCase();
  return rules.find((r) => r.id.toLowerCase() === name || r.aliases?.some((a) => a.toLowerCase() === name));
}
