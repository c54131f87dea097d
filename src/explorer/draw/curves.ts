/**
 * @file The curves of a picture on a canvas of their own, under its labels: only the part of a tall picture that is on screen,
 * by WebGL where a graphics card is there, else as layers of ink.
 */
import type { Box, Scene } from "../scene/scene.js";
import { fewCurves, type Look } from "./canvas.js";
import { InkPainter } from "./ink-painter.js";
import { LinePainter } from "./line-painter.js";

export class Curves {
  readonly #picture: HTMLElement;
  readonly #changed: () => void;
  #lines: LinePainter | undefined;
  #ink: InkPainter | undefined;

  /** @param picture the canvas of labels these curves lie under  @param changed asks for a new drawing */
  constructor(picture: HTMLElement, changed: () => void) {
    this.#picture = picture;
    this.#changed = changed;
  }

  /** Draws a scene's curves in a window on it; `zoom` CSS pixels a unit of the scene. @returns false when the 2D canvas of the picture should */
  draw(scene: Scene, look: Look, ratio: number, window: Box, zoom = 1): boolean {
    this.#lines ??= new LinePainter(this.#under(), this.#changed);
    const byGl = this.#lines.draw(scene, look, ratio, window);
    this.#lines.canvas.hidden = !byGl;
    let byInk = false;
    if (!byGl && scene.lines.length > fewCurves) {
      this.#ink ??= new InkPainter(this.#under());
      byInk = this.#ink.draw(scene, look, ratio, window);
    }
    if (this.#ink) this.#ink.canvas.hidden = !byInk;
    if (byGl || byInk) place((byGl ? this.#lines : this.#ink!).canvas, window, zoom);
    return byGl || byInk;
  }

  hide(): void {
    for (const painter of [this.#lines, this.#ink]) if (painter) painter.canvas.hidden = true;
  }

  release(): void {
    this.#lines?.release();
    for (const painter of [this.#lines, this.#ink]) painter?.canvas.remove();
  }

  #under(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.className = "curves";
    canvas.setAttribute("aria-hidden", "true");
    this.#picture.before(canvas);
    return canvas;
  }
}

function place({ style }: HTMLCanvasElement, { x, y, width, height }: Box, zoom: number): void {
  const px = (n: number): string => `${n * zoom}px`;
  Object.assign(style, { left: px(x), top: px(y), width: px(width), height: px(height) });
}
