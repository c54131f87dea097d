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
import { wrongOutput } from "./wrong-output.js";

export const rules: readonly Rule[] = [
  hangs,
  throws,
  batchAsSequence,
  headsSplitWithoutTranspose,
  headsMergedWithoutTranspose,
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
  wrongOutput,
];

/** The rule of an id or alias; upper and lower case are the same. */
export function ruleOf(id: string): Rule | undefined {
  const name = id.toLowerCase();
  return rules.find((r) => r.id.toLowerCase() === name || r.aliases?.some((a) => a.toLowerCase() === name));
}
