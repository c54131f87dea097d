/**
 * @file Tens of thousands of curves, head by head: each head's curves are one layer of ink, kept, so that switching a head on
 * or off draws that head alone and lays the layers over each other.
 *
 * All curves of a scene run between the same two columns (or rows: then across and down change places), so their shape
 * y(x) = y1 + (y2 − y1)·e(x) differs by its two ends only: e is worked out once a column, and a curve is a few pixels of ink
 * in each. 12 heads × 512 tokens, 34,700 curves, in
 * Chromium without a GPU: WebGL (an instanced strip of triangles each) took 4 s a frame, this 10 to 30 ms a head.
 */
import { curveAt } from "../scene/curve.js";
import type { Line, Scene } from "../scene/scene.js";
import type { Look } from "./canvas.js";
import { headStyle } from "./colour.js";

/** A window on a picture, in its pixels: down it, or across it where its lines run down. */
export type Slice = readonly [from: number, to: number];

interface Layer {
  key: string;
  image: OffscreenCanvas;
}

export class ManyLines {
  readonly #layers = new Map<number, Layer>();
  /** A head's curves, by scene. */
  #sorted: { lines: Line[]; heads: Map<number, Line[]> } | undefined;

  /** Lays a window of the scene's curves onto a canvas whose unit is the scene's pixel. */
  draw(g: CanvasRenderingContext2D, scene: Scene, look: Look, ratio: number, slice: Slice, what: string): void {
    const heads = this.#byHead(scene);
    const { query = -1, key = -1, head } = look.cursor ?? {};
    const some = query >= 0 || key >= 0;
    const run = scene.down ? scene.height : scene.width;
    g.save();
    if (scene.down) g.transform(0, 1, 1, 0, 0, 0);
    for (const [h, lines] of heads) {
      const layer = this.#layer(h, lines, run, look, ratio, slice, what);
      g.globalAlpha = some || (head !== undefined && head !== h) ? 0.15 : 1;
      g.drawImage(layer, 0, slice[0], run, slice[1] - slice[0]);
    }
    if (some) this.#chosen(g, heads, look);
    g.restore();
  }

  /** The curves of the token under the cursor, over the faded rest. */
  #chosen(g: CanvasRenderingContext2D, heads: Map<number, Line[]>, look: Look): void {
    const { query = -1, key = -1 } = look.cursor ?? {};
    for (const [h, lines] of heads) {
      const { colour, dash } = headStyle(h, look.mode);
      g.strokeStyle = colour;
      g.setLineDash(dash);
      for (const l of lines) {
        if ((query >= 0 && l.query !== query) || (key >= 0 && l.key !== key)) continue;
        const middle = (l.x1 + l.x2) / 2;
        g.globalAlpha = 0.12 + 0.88 * Math.sqrt(l.weight);
        g.lineWidth = 0.75 + 3.25 * l.weight;
        g.beginPath();
        g.moveTo(l.x1, l.y1);
        g.bezierCurveTo(middle, l.y1, middle, l.y2, l.x2, l.y2);
        g.stroke();
      }
    }
  }

  #byHead({ lines, down }: Scene): Map<number, Line[]> {
    if (this.#sorted?.lines === lines) return this.#sorted.heads;
    const heads = new Map<number, Line[]>();
    for (const given of lines) {
      const l = down ? { ...given, x1: given.y1, y1: given.x1, x2: given.y2, y2: given.x2 } : given;
      const own = heads.get(l.head);
      if (own) own.push(l);
      else heads.set(l.head, [l]);
    }
    this.#sorted = { lines, heads };
    return heads;
  }

  #layer(
    h: number,
    lines: Line[],
    run: number,
    look: Look,
    ratio: number,
    slice: Slice,
    what: string,
  ): OffscreenCanvas {
    const key = `${what} ${look.mode} ${ratio} ${slice} ${run} ${lines.length}`;
    const had = this.#layers.get(h);
    if (had?.key === key) return had.image;
    const W = Math.round(run * ratio);
    const H = Math.max(1, Math.round((slice[1] - slice[0]) * ratio));
    const { colour, dash } = headStyle(h, look.mode);
    const ink = inked(lines, W, H, ratio, slice[0], dash);
    const image = had?.image ?? new OffscreenCanvas(W, H);
    if (image.width !== W || image.height !== H) [image.width, image.height] = [W, H];
    image.getContext("2d")!.putImageData(coloured(ink, W, H, rgbOf(colour)), 0, 0);
    this.#layers.set(h, { key, image });
    return image;
  }
}

/** How much ink each pixel has, 0 … 1: curves laid over each other. */
function inked(lines: Line[], W: number, H: number, ratio: number, top: number, dash: readonly number[]): Float32Array {
  const ink = new Float32Array(W * H);
  const first = lines[0];
  if (!first) return ink;
  const [x1, x2] = [Math.ceil(first.x1 * ratio), Math.min(W - 1, Math.floor(first.x2 * ratio))];
  const width = first.x2 - first.x1;
  const share = Float64Array.from({ length: x2 - x1 + 1 }, (_, n) =>
    curveAt({ x1: 0, y1: 0, x2: 1, y2: 1 }, ((x1 + n) / ratio - first.x1) / width),
  );
  const period = ((dash[0] ?? 0) + (dash[1] ?? 0)) * ratio;
  for (const l of lines) {
    const [a, b] = [(l.y1 - top) * ratio, (l.y2 - top) * ratio];
    if ((a < 0 && b < 0) || (a > H && b > H)) continue;
    const alpha = 0.12 + 0.88 * Math.sqrt(l.weight);
    const thick = (0.75 + 3.25 * l.weight) * ratio;
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

function coloured(ink: Float32Array, W: number, H: number, [r, g, b]: number[]): ImageData {
  const image = new ImageData(W, H);
  const pixels = new Uint32Array(image.data.buffer);
  const colour = r! | (g! << 8) | (b! << 16); // little-endian RGBA, as every browser's machine has it
  for (let n = 0; n < ink.length; n++) if (ink[n]! > 0) pixels[n] = colour | (Math.round(ink[n]! * 255) << 24);
  return image;
}

/** Any CSS colour as bytes. */
function rgbOf(colour: string): number[] {
  const g = new OffscreenCanvas(1, 1).getContext("2d")!;
  g.fillStyle = colour;
  g.fillRect(0, 0, 1, 1);
  return [...g.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
