/** @file What a chapter is made of: words, questions to answer before looking, corrections, and the real views. */
import type { Choice } from "../state/choice.js";

export type Block =
  /** A paragraph; `code` and **bold** as in Markdown. */
  | { p: string }
  | { heading: string }
  /** Predict first, then reveal: an answer is chosen before the right one is shown. */
  | { ask: string; choices: readonly [string, string, ...string[]]; right: number; answer: string }
  | { code: string }
  /** Code that runs in the page and can be changed; kept in the link under its name. */
  | { run: string; name: string }
  /** Where a well-known tutorial is wrong. */
  | { wrong: string; right: string }
  /** One of the explorer's own views, on a state of its own. */
  | { view: "text" | "lines" | "map" | "heads" | "neuron"; says: string; set?: Partial<Choice> }
  /** Live numbers: the tiny attention, the sizes of the open run, its cost, its stream, one block's stages, its checks, … */
  | { live: Live }
  | { link: string; page: string };

export type Live =
  | "play"
  | "shapes"
  | "cost"
  | "stream"
  | "block"
  | "checks"
  | "checklist"
  | "scale"
  | "resting"
  | "slopes"
  | "mask";

export interface Chapter {
  id: string;
  title: string;
  blocks: readonly Block[];
}
