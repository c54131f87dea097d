/**
 * @file What the reader chose: one plain object that fits into a URL and says everything about the picture.
 * What is only passing (where the pointer is, what is loading) is in `store.ts`.
 */
import type { Edit, Filter, Kind } from "../engine/protocol.js";

export type Theme = "auto" | "light" | "dark" | "contrast";
export type ScaleName = "ink" | "cividis" | "viridis" | "greys";
export type Transform = "linear" | "log" | "rank";

/** Where the map's window stands: cells per side shown, and the first of them. Absent = the whole map fits. */
export interface Camera {
  row: number;
  column: number;
  /** Pixels a token. */
  zoom: number;
}

export interface Choice {
  page: string;
  text: string;
  model: string;
  view: string;
  kind: Kind | "";
  layer: number;
  head: number;
  /** Heads drawn in the line view; empty = the chosen one. */
  heads: number[];
  /** The cell the cursor is on; −1 = none. */
  query: number;
  key: number;
  filter: Filter;
  /** Weights α, or α·‖v·W_O‖. */
  weighted: boolean;
  /** Lines under this weight are not drawn. */
  least: number;
  scale: ScaleName;
  transform: Transform;
  pool: "max" | "mean";
  theme: Theme;
  camera: Camera | null;
  edits: Edit[];
  /** What the chosen view wants to remember: compare's other text, the lens' pinned token, … */
  extra: Record<string, string>;
}

export const startText = "The whale rose, and the sea rose with the whale; the ship turned, and the sea";

/** Who comes without a link sees the head of the bundled model that looks up what followed last time, on a text that repeats. */
export const firstLook = { layer: 3, head: 1 };

export const startChoice: Choice = {
  page: "explore",
  text: startText,
  model: "",
  view: "text",
  kind: "",
  layer: 0,
  head: 0,
  heads: [],
  query: -1,
  key: -1,
  filter: { hideSpecial: false, hideFirst: false, renormalise: false, words: false },
  weighted: false,
  least: 0.04,
  scale: "ink",
  transform: "linear",
  pool: "max",
  theme: "auto",
  camera: null,
  edits: [],
  extra: {},
};

/** Longest text in characters that the page takes in: a longer one would hold up the text box itself. */
export const longestText = 200_000;

/** A number that came as text, from a link or a field: kept within its bounds, the fallback where it is none. */
export function numberWithin(text: string | undefined, fallback: number, low: number, high: number): number {
  const x = text ? Number(text) : Number.NaN;
  return Number.isFinite(x) ? Math.min(high, Math.max(low, x)) : fallback;
}
