/**
 * @file A canvas that shows a scene: sharp on any screen, drawn once a frame at most, with the hit test turned into
 * pointer events in the scene's own terms. Views say what the scene is and what a hit means.
 */
import { drawScene, type Look } from "../draw/canvas.js";
import type { LinePainter } from "../draw/lines-gl.js";
import { hit, type Scene } from "../scene/scene.js";

/** From here on curves are drawn by WebGL. */
const manyLines = 3000;
let painter: Promise<LinePainter> | undefined;
let lines: LinePainter | undefined;

export type Hit = ReturnType<typeof hit>;

export class Picture {
  readonly canvas: HTMLCanvasElement;
  scene: Scene | undefined;
  look: Look | undefined;
  #asked = false;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  /** Shows a scene at the next frame. */
  show(scene: Scene, look: Look): void {
    this.scene = scene;
    this.look = look;
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.draw();
    });
  }

  draw(): void {
    const { canvas, scene, look } = this;
    if (!scene || !look) return;
    const ratio = Math.min(3, globalThis.devicePixelRatio || 1);
    const [w, h] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.width = `${scene.width}px`;
      canvas.style.height = `${scene.height}px`;
    }
    const g = canvas.getContext("2d");
    if (!g) return;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (scene.lines.length > manyLines && this.#many(g, scene, look, ratio)) return;
    drawScene(g, scene, look);
  }

  /** Thousands of curves in one draw of WebGL; until its code is there, and where there is none, the 2D canvas does it. */
  #many(g: CanvasRenderingContext2D, scene: Scene, look: Look, ratio: number): boolean {
    if (!painter) {
      painter = import("../draw/lines-gl.js").then(({ LinePainter }) => (lines = new LinePainter()));
      void painter.then(() => this.draw());
    }
    if (!lines) return true; // a frame without lines rather than one that takes seconds
    g.clearRect(0, 0, scene.width, scene.height);
    if (!lines.draw(g, scene, look, ratio)) return false;
    drawScene(g, { ...scene, lines: [] }, look, { keep: true });
    return true;
  }

  /** What is under a pointer. */
  at(event: { clientX: number; clientY: number }): Hit {
    if (!this.scene) return undefined;
    const box = this.canvas.getBoundingClientRect();
    const zoom = box.width > 0 ? this.scene.width / box.width : 1;
    return hit(this.scene, (event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
  }
}
