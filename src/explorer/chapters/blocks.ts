/** @file What a chapter is made of: words, questions to answer before looking, corrections, and the real views. */
import type { Choice } from "../state/choice.js";

export type Block =
  /** A paragraph; `code` and **bold** as in Markdown. */
  | { p: string }
  | { heading: string }
  /** Predict first, then reveal. */
  | { ask: string; answer: string }
  | { code: string }
  /** Where a well-known tutorial is wrong. */
  | { wrong: string; right: string }
  /** One of the explorer's own views, on a state of its own. */
  | { view: "text" | "lines" | "map" | "heads" | "neuron"; says: string; set?: Partial<Choice> }
  /** Live numbers: the tiny attention, the sizes of the open run, its cost, its stream, its checks. */
  | { live: "play" | "shapes" | "cost" | "stream" | "checks" }
  | { link: string; page: string };

export interface Chapter {
  id: string;
  title: string;
  blocks: readonly Block[];
}
