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
  };
}

let canvas: CanvasRenderingContext2D | null | undefined;
/** Widths in the page's font. */
export function measureIn(element: Element): Measure {
  canvas ??= document.createElement("canvas").getContext("2d");
  const { fontFamily } = getComputedStyle(element);
  return (text, size) => {
    if (!canvas) return text.length * size * 0.55;
    canvas.font = `${size}px ${fontFamily}`;
    return canvas.measureText(text).width;
  };
}
