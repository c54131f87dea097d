/**
 * @file A canvas that shows a scene: sharp on any screen, larger where letters are, drawn once a frame at most, with the hit test turned into
 * pointer events in the scene's own terms. Views say what the scene is and what a hit means.
 */
import { drawScene, fewCurves, forgetImages, type Look } from "../draw/canvas.js";
import type { Curves } from "../draw/curves.js";
import { type Box, hit, type Scene } from "../scene/scene.js";
import { textZoom } from "./look.js";

let curvesModule: typeof import("../draw/curves.js") | undefined;
let loading: Promise<unknown> | undefined;

export type Hit = ReturnType<typeof hit>;

export class Picture {
  readonly canvas: HTMLCanvasElement;
  scene: Scene | undefined;
  look: Look | undefined;
  #asked = false;
  #curves: Curves | undefined;
  /** What the labels' canvas holds, while curves are drawn on theirs. */
  #labels: { labels: Scene["labels"]; key: string } | undefined;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    canvas.addEventListener("contextrestored", () => {
      forgetImages();
      this.#labels = undefined;
      this.#again();
    });
  }

  /** Shows a scene at the next frame. */
  show(scene: Scene, look: Look): void {
    this.scene = scene;
    this.look = look;
    this.#again();
  }

  #again = (): void => {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.draw();
    });
  };

  draw(): void {
    const { canvas, scene, look } = this;
    if (!scene || !look || !canvas.isConnected) return;
    const zoom = textZoom();
    const ratio = Math.min(3, globalThis.devicePixelRatio || 1) * zoom;
    const apart = scene.lines.length > 0 && this.#drawCurves(scene, look, ratio, zoom);
    if (!apart) this.#curves?.hide();
    const [w, h] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.width = `${scene.width * zoom}px`;
      canvas.style.height = `${scene.height * zoom}px`;
      this.#labels = undefined;
    }
    const { query, key } = look.cursor ?? {};
    const now = `${query} ${key} ${look.mode} ${look.ink} ${look.font}`;
    if (apart && this.#labels?.labels === scene.labels && this.#labels.key === now) return; // a thousand words stay as they are
    const g = canvas.getContext("2d");
    if (!g) return;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawScene(g, apart ? { ...scene, lines: [] } : scene, look);
    this.#labels = apart ? { labels: scene.labels, key: now } : undefined;
  }

  /** Curves on their own canvas; the code for it comes with the first of them. @returns whether they need no more drawing */
  #drawCurves(scene: Scene, look: Look, ratio: number, zoom: number): boolean {
    if (!curvesModule) {
      loading ??= import("../draw/curves.js").then((loaded) => (curvesModule = loaded));
      void loading.then(this.#again, () => {});
      return scene.lines.length > fewCurves; // a frame without lines rather than one that takes seconds
    }
    this.#curves ??= new curvesModule.Curves(this.canvas, this.#again);
    return this.#curves.draw(scene, look, ratio, this.#onScreen(scene, zoom), zoom);
  }

  /** What of the picture is on screen, with some above and below; scrolling on draws the next part. */
  #onScreen(scene: Scene, zoom: number): Box {
    const { top, left } = this.canvas.getBoundingClientRect();
    const part = (start: number, room: number, all: number): readonly [number, number] => {
      const from = Math.max(0, Math.min(Math.floor((-start - 200) / 200) * 200, Math.floor(all) - 1));
      return [from, Math.min(all - from, room + 600)];
    };
    if (!this.#scrolls) {
      this.#scrolls = true;
      const stop = new AbortController();
      addEventListener("scroll", () => {
        if (!this.canvas.isConnected) stop.abort();
        else if (this.#curves && this.scene) this.#again();
      }, { capture: true, passive: true, signal: stop.signal }); // biome-ignore format: one listener
    }
    const { width, height } = scene;
    const [y, h] = scene.down ? [0, height] : part(top / zoom, innerHeight / zoom, height);
    const [x, w] = scene.down ? part(left / zoom, innerWidth / zoom, width) : [0, width];
    return { x, y, width: w, height: h };
  }
  #scrolls = false;

  /** Takes what was put beside the canvas away again. */
  release(): void {
    this.#curves?.release();
    this.#curves = undefined;
  }

  /** What is under a pointer. */
  at(event: { clientX: number; clientY: number }): Hit {
    if (!this.scene) return undefined;
    const box = this.canvas.getBoundingClientRect();
    const zoom = box.width > 0 ? this.scene.width / box.width : 1;
    return hit(this.scene, (event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
  }
}
