/**
 * @file A canvas that shows a scene: sharp on any screen, drawn once a frame at most, with the hit test turned into
 * pointer events in the scene's own terms. Views say what the scene is and what a hit means.
 */
import { drawScene, type Look } from "../draw/canvas.js";
import type { ManyLines } from "../draw/many-lines.js";
import { hit, type Scene } from "../scene/scene.js";

/** From here on curves are drawn head by head and kept. */
const manyLines = 3000;
let loading: Promise<unknown> | undefined;
let lines: ManyLines | undefined;

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
    if (scene.lines.length > manyLines) return this.#many(g, scene, look, ratio);
    drawScene(g, scene, look);
  }

  /** What of the picture is on screen, with some above and below; scrolling on draws the next part. */
  #slice(scene: Scene): readonly [number, number] {
    const { top, left } = this.canvas.getBoundingClientRect();
    const [start, room, all] = scene.down ? [left, innerWidth, scene.width] : [top, innerHeight, scene.height];
    const from = Math.max(0, Math.floor((-start - 200) / 200) * 200);
    if (!this.#scrolls) {
      this.#scrolls = true;
      const stop = new AbortController();
      addEventListener("scroll", () => {
        if (!this.canvas.isConnected) stop.abort();
        else if (this.scene && this.scene.lines.length > manyLines && this.look) this.show(this.scene, this.look);
      }, { capture: true, passive: true, signal: stop.signal }); // biome-ignore format: one listener
    }
    return [from, Math.min(all, from + room + 600)];
  }
  #scrolls = false;

  /** Thousands of curves; their code comes with the first of them. */
  #many(g: CanvasRenderingContext2D, scene: Scene, look: Look, ratio: number): void {
    if (!lines) {
      loading ??= import("../draw/many-lines.js").then(({ ManyLines }) => (lines = new ManyLines()));
      void loading.then(() => this.draw());
      return; // a frame without lines rather than one that takes seconds
    }
    g.clearRect(0, 0, scene.width, scene.height);
    lines.draw(g, scene, look, ratio, this.#slice(scene), scene.name ?? "");
    drawScene(g, { ...scene, lines: [] }, look, { keep: true });
  }

  /** What is under a pointer. */
  at(event: { clientX: number; clientY: number }): Hit {
    if (!this.scene) return undefined;
    const box = this.canvas.getBoundingClientRect();
    const zoom = box.width > 0 ? this.scene.width / box.width : 1;
    return hit(this.scene, (event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
  }
}
