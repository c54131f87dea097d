/** @file Padding on the left moves the text's positions. */
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

export const leftPadPositions = rule({
  id: "left-pad-positions",
  says: "Padding on the left moves the text's positions.",
  why: "With learned positions the first real token gets the embedding of position 2 instead of 0: batched generation differs from generation alone.",
  severity: "error",
  fix: "Count positions from the attention mask: positions = cumsum(mask) − 1, never below 0",
  reference: "Hugging Face prepare_inputs_for_generation; seen in unslothai/unsloth#3699, nnsight#673",
  wrong: "positions = [0, 1, 2, 3, …];",
  right: "positions = cumsum(attentionMask).map((n) => Math.max(n - 1, 0));",
  mustCatch: ["model: learned from 0", "model: decoder from 0, hidden states", "model: sinusoid-like, three layers"],
  mustPass: [
    "model: decoder, learned positions",
    "model: decoder, rotary counted from the row",
    "model: decoder, T5 bias, with a cache",
  ],
  explains: ["pad-in-pooling", "mask-head-order"],
  probeModel: (lab) => paddingOutcome(lab, "left-pad-positions"),
});
