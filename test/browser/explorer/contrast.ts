/**
 * @file WCAG's contrast of every text that is seen, from computed styles. axe looks at what lies behind a text point by point;
 * where a theme changes nothing but colours that was settled in the first one, and this takes milliseconds.
 */
import type { Page } from "playwright-core";

/** Texts with less than 4.5 : 1 against what is behind them, 3 : 1 for large ones. */
export function tooFaint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
    const known = new Map<string, number[]>();
    const rgba = (css: string): number[] => {
      let had = known.get(css);
      if (!had) {
        pixel.clearRect(0, 0, 1, 1);
        pixel.fillStyle = css;
        pixel.fillRect(0, 0, 1, 1);
        const { data } = pixel.getImageData(0, 0, 1, 1);
        had = [data[0]!, data[1]!, data[2]!, data[3]! / 255];
        known.set(css, had);
      }
      return had;
    };
    const over = (top: number[], below: number[], share = 1): number[] =>
      below.map((x, n) => (n === 3 ? 1 : x + (top[n]! - x) * top[3]! * share));
    /** What is behind the text of an element: its own ground and those of its ancestors, down to the first opaque one. */
    const grounds = new Map<Element, number[]>();
    const groundOf = (x: Element | null): number[] => {
      if (!x) return [255, 255, 255, 1];
      let had = grounds.get(x);
      if (!had) {
        const { backgroundColor, opacity } = getComputedStyle(x);
        const own = rgba(backgroundColor);
        had = own[3] === 1 && opacity === "1" ? own : over(own, groundOf(x.parentElement), Number(opacity));
        grounds.set(x, had);
      }
      return had;
    };
    const light = (c: number[]): number => {
      const [r, g, b] = c.map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const found: string[] = [];
    for (const x of document.body.querySelectorAll<HTMLElement>("*")) {
      const written = [...x.childNodes].some((n) => n.nodeType === 3 && n.nodeValue!.trim() !== "");
      if (!(written || x.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=range])"))) continue;
      if (x.closest("[aria-hidden=true], :disabled, svg, option") || x.querySelector(":scope > :disabled")) continue;
      if (!x.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const { width, height } = x.getBoundingClientRect();
      if (width <= 1 || height <= 1) continue; // only for screen readers
      const { color, fontSize, fontWeight } = getComputedStyle(x);
      let opacity = 1;
      for (let at: Element | null = x; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
      const ground = groundOf(x);
      const [a, b] = [light(over(rgba(color), ground, opacity)), light(ground)];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = Number.parseFloat(fontSize);
      const least = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5;
      if (ratio < least)
        found.push(
          `${ratio.toFixed(2)} : 1 ${color} on ${ground.map((n) => n.toFixed(0))}: ${x.outerHTML.slice(0, 160)}`,
        );
    }
    return found;
  });
}
