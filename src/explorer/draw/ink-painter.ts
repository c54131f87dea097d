/**
 * @file Tens of thousands of curves without a graphics card: each head's curves are one layer of ink, kept, so that switching a
 * head on or off lays the layers over each other and draws at most that head.
 *
 * All curves of a scene run between the same two columns (or rows: then across and down change places), so their shape
 * y(x) = y1 + (y2 − y1)·e(x) differs by its two ends only: e is worked out once a column, and a curve is a few pixels of ink
 * in each. 12 heads × 512 tokens, 34,700 curves, in Chromium without a GPU: WebGL in one instanced draw takes 0.5 s and more,
 * this 10 to 30 ms a head, once.
 */
import { curveAt, opacity, thickness } from "../scene/curve.js";
import { type Box, type Line, linesByHead, type Scene } from "../scene/scene.js";
import type { Look } from "./canvas.js";
import { headStyle, rgbOf } from "./colour.js";

/** A window on a picture, in its pixels: down it, or across it where its lines run down. */
type Slice = readonly [from: number, to: number];

interface Layer {
  lines: readonly Line[];
  key: string;
  image: OffscreenCanvas;
}

export class InkPainter {
  readonly canvas: HTMLCanvasElement;
  readonly #layers = new Map<number, Layer>();

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  /** Draws the part of a scene's curves that is in the window. @returns false when there is no 2D canvas */
  draw(scene: Scene, look: Look, ratio: number, window: Box): boolean {
    const { canvas } = this;
    const g = canvas.getContext("2d");
    if (!g) return false;
    const [W, H] = [Math.round(window.width * ratio), Math.round(window.height * ratio)];
    if (canvas.width !== W || canvas.height !== H) [canvas.width, canvas.height] = [W, H];
    g.setTransform(ratio, 0, 0, ratio, -window.x * ratio, -window.y * ratio);
    g.clearRect(window.x, window.y, window.width, window.height);
    const heads = linesByHead(scene);
    const { query = -1, key = -1, head } = look.cursor ?? {};
    const some = query >= 0 || key >= 0;
    const [run, slice] = scene.down
      ? [scene.height, [window.x, window.x + window.width] as const]
      : [scene.width, [window.y, window.y + window.height] as const];
    g.save();
    if (scene.down) g.transform(0, 1, 1, 0, 0, 0);
    for (const [h, lines] of heads) {
      const layer = this.#layer(h, lines, run, look, ratio, slice, scene.down ?? false);
      g.globalAlpha = some || (head !== undefined && head !== h) ? 0.15 : 1;
      g.drawImage(layer, 0, slice[0], run, slice[1] - slice[0]);
    }
    if (some) chosen(g, heads, look, scene.down ?? false);
    g.restore();
    return true;
  }

  #layer(
    h: number,
    lines: readonly Line[],
    run: number,
    look: Look,
    ratio: number,
    slice: Slice,
    down: boolean,
  ): OffscreenCanvas {
    const key = `${look.mode} ${ratio} ${slice} ${run}`;
    const had = this.#layers.get(h);
    if (had?.lines === lines && had.key === key) return had.image;
    const W = Math.round(run * ratio);
    const H = Math.max(1, Math.round((slice[1] - slice[0]) * ratio));
    const { colour, dash } = headStyle(h, look.mode);
    const ink = inked(lines, down, W, H, ratio, slice[0], dash);
    const image = had?.image ?? new OffscreenCanvas(W, H);
    if (image.width !== W || image.height !== H) [image.width, image.height] = [W, H];
    image.getContext("2d")!.putImageData(coloured(ink, W, H, rgbOf(colour)), 0, 0);
    this.#layers.set(h, { lines, key, image });
    return image;
  }
}

/** A line's ends with across and down changed where lines run down. */
const endsOf = (l: Line, down: boolean): [x1: number, y1: number, x2: number, y2: number] =>
  down ? [l.y1, l.x1, l.y2, l.x2] : [l.x1, l.y1, l.x2, l.y2];

/** The curves of the token under the cursor, over the faded rest. */
function chosen(
  g: CanvasRenderingContext2D,
  heads: ReadonlyMap<number, readonly Line[]>,
  look: Look,
  down: boolean,
): void {
  const { query = -1, key = -1 } = look.cursor ?? {};
  for (const [h, lines] of heads) {
    const { colour, dash } = headStyle(h, look.mode);
    g.strokeStyle = colour;
    g.setLineDash(dash);
    for (const l of lines) {
      if ((query >= 0 && l.query !== query) || (key >= 0 && l.key !== key)) continue;
      const [x1, y1, x2, y2] = endsOf(l, down);
      const middle = (x1 + x2) / 2;
      g.globalAlpha = opacity(l.weight);
      g.lineWidth = thickness(l.weight);
      g.beginPath();
      g.moveTo(x1, y1);
      g.bezierCurveTo(middle, y1, middle, y2, x2, y2);
      g.stroke();
    }
  }
}

/** How much ink each pixel has, 0 … 1: curves laid over each other. */
function inked(
  lines: readonly Line[],
  down: boolean,
  W: number,
  H: number,
  ratio: number,
  top: number,
  dash: readonly number[],
): Float32Array {
  const ink = new Float32Array(W * H);
  if (!lines[0]) return ink;
  const [left, , right] = endsOf(lines[0], down);
  const [x1, x2] = [Math.ceil(left * ratio), Math.min(W - 1, Math.floor(right * ratio))];
  const share = Float64Array.from({ length: x2 - x1 + 1 }, (_, n) =>
    curveAt({ x1: 0, y1: 0, x2: 1, y2: 1 }, ((x1 + n) / ratio - left) / (right - left)),
  );
  const period = ((dash[0] ?? 0) + (dash[1] ?? 0)) * ratio;
  for (const l of lines) {
    const [, y1, , y2] = endsOf(l, down);
    const [a, b] = [(y1 - top) * ratio, (y2 - top) * ratio];
    if ((a < 0 && b < 0) || (a > H && b > H)) continue;
    const alpha = opacity(l.weight);
    const thick = thickness(l.weight) * ratio;
    for (let n = 0; n < share.length; n++) {
      if (period > 0 && n % period > dash[0]! * ratio) continue;
      const y = a + (b - a) * share[n]!;
      const slope = (b - a) * (share[Math.min(share.length - 1, n + 1)]! - share[Math.max(0, n - 1)]!) * 0.5;
      const half = (thick * Math.sqrt(1 + slope * slope)) / 2; // as thick across the curve wherever it runs
      const [low, high] = [Math.max(0, y - half), Math.min(H, y + half)];
      for (let r = Math.floor(low); r < high; r++) {
        const cover = Math.min(high, r + 1) - Math.max(low, r);
        const at = r * W + x1 + n;
        ink[at] = ink[at]! + (1 - ink[at]!) * alpha * cover;
      }
    }
  }
  return ink;
}

function coloured(ink: Float32Array, W: number, H: number, [r, g, b]: readonly number[]): ImageData {
  const image = new ImageData(W, H);
  const pixels = new Uint32Array(image.data.buffer);
  const colour = r! | (g! << 8) | (b! << 16); // little-endian RGBA, as every browser's machine has it
  for (let n = 0; n < ink.length; n++) if (ink[n]! > 0) pixels[n] = colour | (Math.round(ink[n]! * 255) << 24);
  return image;
}
