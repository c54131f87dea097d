/**
 * @file Colour scales for weights, each a table of 256 colours of rising (or falling) lightness. Cividis and viridis are
 * d3's; "ink" goes from paper to ink in the theme's own colours; blue–orange is for signed numbers.
 */
import type { ScaleName, Transform } from "../state/choice.js";

export type Rgb = readonly [number, number, number];
/** 256 × RGB. */
export type Ramp = Uint8ClampedArray;
export type Mode = "light" | "dark" | "contrast";

const inkStops: Record<Mode, Rgb[]> = {
  light: [[247, 246, 242], [201, 214, 236], [128, 158, 211], [58, 96, 170], [20, 42, 104]],
  dark: [[30, 32, 38], [66, 60, 66], [128, 92, 66], [206, 148, 72], [255, 226, 160]],
  contrast: [[255, 255, 255], [191, 191, 255], [110, 110, 255], [30, 30, 200], [0, 0, 60]],
}; // biome-ignore format: a table
const greyStops: Record<Mode, Rgb[]> = {
  light: [[248, 248, 248], [0, 0, 0]],
  dark: [[24, 24, 24], [255, 255, 255]],
  contrast: [[255, 255, 255], [0, 0, 0]],
}; // biome-ignore format: a table
const signedStops: Record<Mode, Rgb[]> = {
  light: [[8, 66, 140], [104, 156, 214], [247, 246, 242], [240, 160, 84], [150, 66, 0]],
  dark: [[120, 180, 255], [58, 98, 160], [30, 32, 38], [160, 92, 32], [255, 176, 96]],
  contrast: [[0, 0, 160], [120, 120, 255], [255, 255, 255], [255, 150, 60], [130, 40, 0]],
}; // biome-ignore format: a table

/** Straight lines between colours in sRGB; the stops are chosen so that lightness runs evenly. */
function between(stops: readonly Rgb[]): Ramp {
  const out = new Uint8ClampedArray(256 * 3);
  for (let n = 0; n < 256; n++) {
    const t = (n / 255) * (stops.length - 1);
    const a = Math.min(stops.length - 2, Math.floor(t));
    for (let c = 0; c < 3; c++) out[n * 3 + c] = stops[a]![c]! + (t - a) * (stops[a + 1]![c]! - stops[a]![c]!);
  }
  return out;
}

/** "#rrggbb" or "rgb(r, g, b)" as three bytes. */
export function rgbOf(css: string): Rgb {
  const hex = /^#(..)(..)(..)$/.exec(css);
  const [r, g, b] = hex ? hex.slice(1).map((h) => Number.parseInt(h, 16)) : css.match(/\d+/g)!.map(Number);
  return [r!, g!, b!];
}

function fromCss(interpolate: (t: number) => string): Ramp {
  const out = new Uint8ClampedArray(256 * 3);
  for (let n = 0; n < 256; n++) {
    out.set(rgbOf(interpolate(n / 255)), n * 3);
  }
  return out;
}

const made = new Map<string, Ramp>();
function once(name: string, make: () => Ramp): Ramp {
  let ramp = made.get(name);
  if (!ramp) made.set(name, (ramp = make()));
  return ramp;
}

export function rampOf(scale: ScaleName, mode: Mode): Ramp {
  if (scale === "cividis" || scale === "viridis") return made.get(scale) ?? rampOf("ink", mode); // until it is fetched
  return once(`${scale}.${mode}`, () => between((scale === "greys" ? greyStops : inkStops)[mode]));
}

/** Fetches d3's scales; until then "ink" stands in. @returns whether anything was fetched */
export async function fetchRamp(scale: ScaleName): Promise<boolean> {
  if ((scale !== "cividis" && scale !== "viridis") || made.has(scale)) return false;
  const { interpolateCividis, interpolateViridis } = await import("d3-scale-chromatic");
  made.set("cividis", fromCss(interpolateCividis));
  made.set("viridis", fromCss(interpolateViridis));
  return true;
}

/** For differences in −1…1; 0 in the middle. */
export function signedRamp(mode: Mode): Ramp {
  return once(`signed.${mode}`, () => between(signedStops[mode]));
}

/** The darkest decade a log scale shows: weights under 10⁻⁴ are as 0. */
export const logDecades = 4;

/** Where a weight stands on the scale, 0…1. Rank is the caller's, who knows the row. */
export function position(weight: number, transform: Transform): number {
  if (!(weight > 0)) return 0;
  if (transform === "log") return Math.min(1, Math.max(0, 1 + Math.log10(weight) / logDecades));
  return Math.min(1, weight);
}

export function colourAt(ramp: Ramp, t: number): Rgb {
  const n = Math.round(Math.min(1, Math.max(0, t)) * 255) * 3;
  return [ramp[n]!, ramp[n + 1]!, ramp[n + 2]!];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** Black or white, whichever reads better (WCAG 2 relative luminance). */
export function inkOn([r, g, b]: Rgb): "#000" | "#fff" {
  const linear = (c: number): number => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) > 0.179 ? "#000" : "#fff";
}

/** Heads by hue (Okabe & Ito's eight, deepened to read on paper) and, past eight, by dash. */
const hues: Record<Mode, string[]> = {
  light: ["#0060a8", "#b8500f", "#00795a", "#a3347c", "#7a6200", "#3a7fae", "#8a3b3b", "#4b4b4b"],
  dark: ["#6db7f2", "#f2a35c", "#4fc9a4", "#e38ac2", "#e2cf5a", "#9fd3ff", "#ef8d8d", "#c9c9c9"],
  contrast: ["#0000c0", "#a04000", "#006040", "#900060", "#605000", "#004080", "#800000", "#000000"],
};
const dashes: number[][] = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

export function headStyle(head: number, mode: Mode): { colour: string; dash: number[] } {
  const palette = hues[mode];
  return { colour: palette[head % palette.length]!, dash: dashes[Math.floor(head / palette.length) % dashes.length]! };
}
