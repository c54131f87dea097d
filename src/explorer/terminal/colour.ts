/**
 * @file Colours in a terminal: how many it has, and how a weight becomes one.
 *
 * Scale: cividis, whose lightness rises evenly and which reads the same with the common colour deficiencies
 * (Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239).
 */
import { rgb } from "d3-color";
import { interpolateCividis } from "d3-scale-chromatic";

/** What the terminal can show: 24-bit colour, the 256-colour cube, or text only. */
export type ColourDepth = "true" | "256" | "none";

/**
 * The depth a stream can take. `NO_COLOR` (https://no-color.org) wins, then `FORCE_COLOR`, then what the terminal says.
 */
export function colourDepth(stream: { isTTY?: boolean }, env: Record<string, string | undefined>): ColourDepth {
  if (env["NO_COLOR"]) return "none";
  const forced = env["FORCE_COLOR"];
  if (forced === "0") return "none";
  if (!stream.isTTY && !forced) return "none";
  if (forced === "3" || /truecolor|24bit/i.test(env["COLORTERM"] ?? "")) return "true";
  return env["TERM"] === "dumb" ? "none" : "256";
}

type Rgb = readonly [number, number, number];

/** The colour of a weight in 0…1. */
export function weightColour(weight: number): Rgb {
  const { r, g, b } = rgb(interpolateCividis(Math.min(1, Math.max(0, weight))));
  return [Math.round(r), Math.round(g), Math.round(b)];
}

/** Black or white, whichever reads better on a colour (relative luminance, WCAG 2). */
export function inkOn([r, g, b]: Rgb): Rgb {
  const linear = (c: number): number => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  return luminance > 0.179 ? [0, 0, 0] : [255, 255, 255];
}

/** Text with a foreground and a background, as escape sequences of the depth. */
export function paint(text: string, depth: ColourDepth, ink: Rgb, ground?: Rgb): string {
  if (depth === "none") return text;
  const code = (layer: 38 | 48, c: Rgb): string =>
    depth === "true" ? `${layer};2;${c.join(";")}` : `${layer};5;${cube(c)}`;
  return `\u001b[${code(38, ink)}${ground ? `;${code(48, ground)}` : ""}m${text}\u001b[0m`;
}

/** Nearest colour of xterm's 6 × 6 × 6 cube or its 24 greys. */
function cube(c: Rgb): number {
  const level = (x: number): number => (x < 48 ? 0 : x < 115 ? 1 : Math.min(5, Math.floor((x - 35) / 40)));
  const value = (l: number): number => (l === 0 ? 0 : 55 + 40 * l);
  const [r, g, b] = c.map(level) as [number, number, number];
  const grey = Math.min(23, Math.max(0, Math.round(((c[0] + c[1] + c[2]) / 3 - 8) / 10)));
  const distance = (x: Rgb): number => x.reduce((sum, v, i) => sum + (v - c[i]!) ** 2, 0);
  const greyValue = 8 + 10 * grey;
  const inCube = distance([value(r), value(g), value(b)]);
  return distance([greyValue, greyValue, greyValue]) < inCube ? 232 + grey : 16 + 36 * r + 6 * g + b;
}
