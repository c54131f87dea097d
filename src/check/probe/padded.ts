/** @file A text with padding at one side, and the findings that padding can lead to. */
import { number, sideBySide } from "../report/picture.js";
import type { Found } from "../rule.js";
import type { ModelLab } from "./model-lab.js";
import type { Dependence } from "./model-maps.js";

export type PaddingRule =
  | "mask-inverted"
  | "mask-on-query-axis"
  | "mask-head-order"
  | "padding-leak"
  | "pad-attends-pad"
  | "left-pad-positions"
  | "pad-in-pooling"
  | "dead-row-NaN"
  | "rope-layout"
  | "causal-dropped-on-a-path";

/** Names of what is wrong, with its proof. */
export type PaddingFound = Partial<Record<PaddingRule, Found>>;

/** Real tokens, padded tokens, and both. */
export const real = 4;
export const pads = 2;
export const length = real + pads;

export interface Padded {
  ids: number[];
  mask: number[];
  /** Where the text begins. */
  from: number;
}

export const padded = (lab: ModelLab, text: number[], side: "left" | "right"): Padded => {
  const fill = new Array<number>(pads).fill(lab.pad);
  const ones = text.map(() => 1);
  const zeros = fill.map(() => 0);
  return side === "left"
    ? { ids: [...fill, ...text], mask: [...zeros, ...ones], from: pads }
    : { ids: [...text, ...fill], mask: [...ones, ...zeros], from: 0 };
};

/** A text that differs from itself alone though its padding is not seen: positions. */
export function positions(lab: ModelLab, call: string, apart: number, found: PaddingFound): void {
  const rope =
    lab.config.positions === "rope" || lab.config["rope_theta"] !== undefined || lab.config["ropeTheta"] !== undefined;
  const base = `${call}, and the text alone: they differ by ${number(apart)} of their size, though the padding itself has no influence`;
  if (rope)
    found["rope-layout"] ??= {
      message:
        "With rotary positions a shift changes the output: scores do not depend on the distance alone, as when q and k are turned by different layouts.",
      evidence: base,
    };
  else if (lab.config.causal && lab.config["takesPositions"] === false)
    found["left-pad-positions"] ??= {
      severity: "warning",
      message:
        "The graph has no position_ids input and numbers tokens from the start of the row: with padding on the left its outputs are wrong.",
      evidence: base,
      fix: "Pad on the right, run texts of one length together, or export the model with position_ids as an input and feed cumsum(attention_mask) − 1",
    };
  else
    found["left-pad-positions"] ??= {
      // BERT and its kin count from the row's start and are padded on the right: for an encoder that is a convention.
      ...(lab.config.causal ? {} : { severity: "info" as const }),
      message: lab.config.causal
        ? "Padding on the left moves the text's positions: its first token is no longer at position 0."
        : "Positions count from the start of the row: this encoder wants its padding on the right.",
      evidence: base,
    };
}

export const showing = (lab: ModelLab, d: Dependence): string => {
  const want = d.moves.map((row, i) =>
    row.map((_, j) => (i === j || (d.mask[j] === 1 && (!lab.config.causal || j <= i)) ? 1 : 0)),
  );
  return `■ where output i (row) moves when token j (column) is another\n${sideBySide(
    want,
    d.moves.map((row) => row.map((x) => (x ? 1 : 0))),
  )}`;
};
