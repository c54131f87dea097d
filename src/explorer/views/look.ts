/** @file The page's colours and fonts as a `Look`, read from its stylesheet. */
import type { Look } from "../draw/canvas.js";
import { rampOf, signedRamp } from "../draw/colour.js";
import type { Measure } from "../scene/scene.js";
import type { Store } from "../state/store.js";

export function lookOf(store: Store, element: Element, signed = false): Look {
  const mode = store.mode.value;
  const { scale, transform } = store.choice.value;
  const style = getComputedStyle(element);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    mode,
    ramp: signed ? signedRamp(mode) : rampOf(scale, mode),
    signed,
    transform: signed ? "linear" : transform,
    font: style.fontFamily,
    ink: value("--ink"),
    soft: value("--soft"),
    query: value("--query"),
    key: value("--key"),
    surface: value("--surface"),
    hatch: value("--hatch"),
    numbers: true,
    hinton: matchMedia("(forced-colors: active)").matches,
  };
}

/** How much larger than usual the reader has letters: a picture grows with them, as text does. */
export const textZoom = (): number => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 || 1;

let canvas: CanvasRenderingContext2D | null | undefined;
/** Widths already measured, by size and text: the same labels are asked for in every frame of a gesture. */
const measured = new Map<string, number>();
let measuredFont = "";

/** Fonts of elements: to ask a style for one lays out the page, and a gesture asks in every frame. */
const families = new WeakMap<Element, string>();

/** Widths in the page's font. */
export function measureIn(element: Element): Measure {
  canvas ??= document.createElement("canvas").getContext("2d");
  const fontFamily = families.get(element) ?? getComputedStyle(element).fontFamily;
  if (element.isConnected) families.set(element, fontFamily);
  const font = `${fontFamily} ${document.fonts?.status}`; // widths before the font has come do not hold after
  if (font !== measuredFont) {
    measured.clear();
    measuredFont = font;
  }
  return (text, size) => {
    const key = `${size}\n${text}`;
    let width = measured.get(key);
    if (width === undefined) {
      if (!canvas) return text.length * size * 0.55;
      canvas.font = `${size}px ${fontFamily}`;
      width = canvas.measureText(text).width;
      if (measured.size > 50_000) measured.clear();
      measured.set(key, width);
    }
    return width;
  };
}
