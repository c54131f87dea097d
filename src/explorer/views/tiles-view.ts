/**
 * @file The map of a long text: a window on up to many thousand tokens each way. Tiles are computed in the worker from q, k and
 * the row sums at the level the zoom needs; until one comes, the coarser one at hand stands in. Dragging and the wheel
 * move the window, + − 0 and the arrows do without a pointer. The page's state learns of the window when it rests.
 */
import { html, type TemplateResult } from "lit";
import { CellPainter } from "../draw/webgl.js";
import type { Look } from "../draw/canvas.js";
import { drawScene } from "../draw/canvas.js";
import type { KindView, TileView } from "../engine/protocol.js";
import { type Frame, frameOf, heatmapScene } from "../scene/heatmap.js";
import { hit, type Scene } from "../scene/scene.js";
import { nameOf, parentOf, type TileKey, tilesInView } from "../scene/tiles.js";
import { tokenLabel } from "../scene/tokens.js";
import { chooseCell, headOf, layerOf } from "../state/actions.js";
import type { Camera } from "../state/choice.js";
import { define } from "./base.js";
import { legend } from "./legend.js";
import { lookOf } from "./look.js";
import { PictureView } from "./picture-view.js";
import { words } from "../state/store.js";
import { waiting } from "./waiting.js";

/** Tiles kept in memory: 256 kB each. */
const keptTiles = 240;
/** Tiles asked for at once; the worker does one after the other, so more would only wait in its queue. */
const atOnce = 2;
/** Milliseconds of rest after which the window is part of the link. */
const rest = 250;

class TilesView extends PictureView {
  #camera: Camera | null = null;
  #written: Camera | null = null;
  #tiles = new Map<string, TileView>();
  #asked = new Map<string, AbortController>();
  #head = "";
  #labels: { of: KindView; rows: string[]; columns: string[] } | undefined;
  #painter: CellPainter | undefined;
  #frameAsked = false;
  #drag: { x: number; y: number; camera: Camera; moved: boolean } | undefined;
  #pointers = new Map<number, { x: number; y: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #look: { key: string; look: Look } | undefined;
  #trouble = "";
  /** The last scene drawn, for exports and tests. */
  current: { scene: Scene; look: Look } | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener("wheel", this.#wheel, { passive: false });
    document.addEventListener("keydown", this.#keys);
    addEventListener("resize", this.#resized);
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.removeEventListener("wheel", this.#wheel);
    document.removeEventListener("keydown", this.#keys);
    removeEventListener("resize", this.#resized);
    for (const c of this.#asked.values()) c.abort(new DOMException("left", "AbortError"));
    this.#asked.clear();
    clearTimeout(this.#timer);
    this.#painter?.release();
    this.#painter = undefined;
  }

  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const run = store.shown.value;
    if (!k || !run) return waiting(store.run.value, "Reading the text");
    const c = store.choice.value;
    void store.mode.value;
    void store.focus.value;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const name = `${run.id} ${k.kind} ${layer} ${head} ${c.pool}`;
    if (name !== this.#head) {
      for (const asked of this.#asked.values()) asked.abort(new DOMException("another head", "AbortError"));
      this.#asked.clear();
      this.#tiles.clear();
      this.#head = name;
      this.#trouble = "";
    }
    if (this.#labels?.of !== k)
      this.#labels = { of: k, rows: k.rows.map(tokenLabel), columns: k.columns.map(tokenLabel) };
    if (c.camera !== this.#written) {
      this.#written = c.camera;
      this.#camera = c.camera; // from a link, or back and forward
    }
    return html`
      <div class="tools">
        <div class="chips" role="group" aria-label="Zoom">
          <button aria-label="zoom in" @click=${() => this.#zoomBy(1.6)}>+</button><button aria-label="zoom out" @click=${() => this.#zoomBy(1 / 1.6)}>−</button><button @click=${() => this.#set(null)}>all</button>
        </div>
        <label>far cells show the <select id="pool" @change=${(e: Event) => store.change({ pool: (e.target as HTMLSelectElement).value as "max" })}><option value="max" ?selected=${c.pool === "max"}>largest weight</option><option value="mean" ?selected=${c.pool === "mean"}>mean weight</option></select></label>
        <span class="soft" id="tiles-state"></span>
      </div>
      <div class="frame tiles"><div class="hatch" aria-hidden="true"></div><canvas class="cells" aria-hidden="true"></canvas><canvas class="picture" tabindex="0" role="application" aria-roledescription="attention map"
        aria-label=${`Map of layer ${layer}, head ${head}, ${k.queries} × ${k.keys} tokens. Arrow keys move the cell, plus and minus zoom.`}
        @pointerdown=${this.#down} @pointermove=${this.#move} @pointerup=${this.#up} @pointercancel=${this.#up} @pointerleave=${() => { store.focus.value = {}; }}></canvas></div>
      ${legend(store, k)}`; // biome-ignore format: one template
  }

  protected override updated(): void {
    this.#ask();
  }

  #ask(): void {
    if (this.#frameAsked) return;
    this.#frameAsked = true;
    requestAnimationFrame(() => {
      this.#frameAsked = false;
      if (this.isConnected) this.#draw();
    });
  }

  #frame(): { k: KindView; f: Frame } | undefined {
    const k = this.store.kind.peek();
    if (!k || !this.#labels) return undefined;
    const f = frameOf({
      ...this.#labels,
      width: this.room,
      height: this.#height(),
      camera: this.#camera,
      measure: this.measure,
    });
    return { k, f };
  }
  #window = innerHeight; // to ask for it lays out the page
  #resized = (): void => {
    this.#window = innerHeight;
    this.#ask();
  };
  #height(): number {
    return Math.max(320, Math.min(this.#window - 290, 900, this.room));
  }

  #draw(): void {
    const at = this.#frame();
    const canvas = this.querySelector<HTMLCanvasElement>("canvas.picture");
    const cells = this.querySelector<HTMLCanvasElement>("canvas.cells");
    const hatch = this.querySelector<HTMLElement>(".hatch");
    if (!at || !canvas || !cells || !hatch) return;
    const { k, f } = at;
    const wanted = tilesInView(f, k.queries, k.keys, k.causal);
    const scene = heatmapScene({
      ...this.#labels!,
      width: this.room,
      height: this.#height(),
      camera: this.#camera,
      measure: this.measure,
      says: `Map of layer ${layerOf(this.store, k)}, head ${headOf(this.store, k)}.`,
      cells: this.#best(wanted),
    });
    const look = this.#lookNow();
    this.current = { scene, look };
    if (this.#painter?.canvas !== cells) this.#painter = new CellPainter(cells, () => this.#ask());
    const ratio = Math.min(2, devicePixelRatio || 1);
    const byGl = this.#painter.draw(scene, look, ratio);
    if (cells.hidden === byGl) cells.hidden = !byGl;
    const { plot } = scene;
    const place = `left:${plot.x}px;top:${plot.y}px;width:${plot.width}px;height:${plot.height}px`;
    if (hatch.dataset["at"] !== place) {
      hatch.dataset["at"] = place;
      hatch.style.cssText = place;
    }
    fit(canvas, scene, ratio);
    const g = canvas.getContext("2d");
    if (g) {
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      drawScene(g, scene, look, { cells: !byGl, hatch: false });
    }
    this.#fetch(wanted);
  }

  #lookNow(): Look {
    const { store } = this;
    const c = store.choice.peek();
    const key = `${store.mode.peek()} ${c.scale} ${c.transform}`;
    if (this.#look?.key !== key) this.#look = { key, look: lookOf(store, this) };
    const focus = store.focus.peek();
    return { ...this.#look.look, cursor: { query: focus.query ?? c.query, key: focus.key ?? c.key }, numbers: true };
  }

  /** Tiles to draw, coarse ones first: the finest at hand covers what is under it. */
  #best(wanted: readonly TileKey[]) {
    const out = new Map<string, TileView>();
    for (const key of wanted) {
      let at: TileKey = key;
      for (let up = 0; up < 8; up++, at = parentOf(at)) {
        const tile = this.#tiles.get(nameOf(at));
        if (tile) {
          out.set(nameOf(at), tile);
          break;
        }
      }
    }
    return [...out.values()]
      .sort((a, b) => b.level - a.level)
      .map((t) => ({
        rows: t.rows,
        columns: t.columns,
        values: t.values,
        row0: t.row * 256 * 2 ** t.level,
        column0: t.column * 256 * 2 ** t.level,
        step: 2 ** t.level,
      }));
  }

  #fetch(wanted: readonly TileKey[]): void {
    const names = new Set(wanted.map(nameOf));
    for (const [name, control] of this.#asked) {
      if (names.has(name)) continue;
      control.abort(new DOMException("out of view", "AbortError"));
      this.#asked.delete(name);
    }
    const { store } = this;
    const run = store.shown.peek();
    const k = store.kind.peek();
    if (!run || !k || this.#trouble) return;
    let missing = 0;
    for (const key of wanted) {
      const name = nameOf(key);
      if (this.#tiles.has(name)) continue;
      missing++;
      if (this.#asked.has(name) || this.#asked.size >= atOnce) continue;
      const control = new AbortController();
      this.#asked.set(name, control);
      const head = this.#head;
      store.engine
        .tile(
          {
            run: run.id,
            kind: k.kind,
            layer: layerOf(store, k),
            head: headOf(store, k),
            ...key,
            pool: store.choice.peek().pool,
          },
          { signal: control.signal },
        )
        .then((tile) => {
          if (head !== this.#head) return;
          this.#tiles.set(name, tile);
          for (const old of [...this.#tiles.keys()].slice(0, -keptTiles)) this.#tiles.delete(old);
        })
        .catch((error: Error) => {
          if (error.name !== "AbortError") this.#trouble = words(error);
        })
        .finally(() => {
          this.#asked.delete(name);
          this.#ask();
        });
    }
    const state = this.querySelector("#tiles-state");
    const says =
      this.#trouble ||
      (missing > 0
        ? `computing ${missing} of ${wanted.length} tiles…`
        : `exact, ${wanted[0] ? 2 ** wanted[0].level : 1} × ${wanted[0] ? 2 ** wanted[0].level : 1} tokens a cell`);
    if (state && state.textContent !== says) state.textContent = says;
    if (missing === 0) this.dataset["ready"] = "1";
    else delete this.dataset["ready"];
  }

  #set(camera: Camera | null): void {
    this.#camera = camera;
    this.#ask();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#written = this.#camera;
      this.store.change({ camera: this.#camera });
    }, rest);
  }

  /** Zooms so that the token under (x, y) stays where it is; without a point, the middle. */
  #zoomBy(factor: number, x?: number, y?: number): void {
    const at = this.#frame();
    if (!at) return;
    const { f } = at;
    const zoom = Math.min(40, Math.max(f.fit, f.zoom * factor));
    if (zoom <= f.fit * 1.0001) return this.#set(null);
    const px = x ?? f.left + f.plotWidth / 2;
    const py = y ?? f.top + f.plotHeight / 2;
    const column = f.column + (px - f.left) / f.zoom - (px - f.left) / zoom;
    const row = f.row + (py - f.top) / f.zoom - (py - f.top) / zoom;
    this.#set({ zoom, row: Math.max(0, row), column: Math.max(0, column) });
  }

  #wheel = (event: WheelEvent): void => {
    if (!(event.target as Element).closest("canvas")) return;
    event.preventDefault();
    const box = this.querySelector("canvas.picture")!.getBoundingClientRect();
    this.#zoomBy(1.0015 ** -event.deltaY, event.clientX - box.left, event.clientY - box.top);
  };

  #keys = (event: KeyboardEvent): void => {
    if ((event.target as Element).closest("textarea, input, select, dialog")) return;
    if (event.key === "+" || event.key === "=") this.#zoomBy(1.6);
    else if (event.key === "-" || event.key === "−") this.#zoomBy(1 / 1.6);
    else if (event.key === "0") this.#set(null);
    else if (event.key.startsWith("Arrow")) setTimeout(() => this.#follow());
  };

  /** Brings the cursor into the window. */
  #follow(): void {
    const at = this.#frame();
    const { query, key } = this.store.choice.peek();
    if (!at || query < 0 || !this.#camera) return this.#ask();
    const { f } = at;
    const [rows, columns] = [f.plotHeight / f.zoom, f.plotWidth / f.zoom];
    const row = query < f.row || query >= f.row + rows - 1 ? query - rows / 2 : f.row;
    const column = key < f.column || key >= f.column + columns - 1 ? key - columns / 2 : f.column;
    this.#set({ zoom: f.zoom, row: Math.max(0, row), column: Math.max(0, column) });
  }

  #point(event: PointerEvent): { x: number; y: number } {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #down = (event: PointerEvent): void => {
    const at = this.#frame();
    if (!at) return;
    const p = this.#point(event);
    this.#pointers.set(event.pointerId, p);
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#drag = { ...p, camera: { zoom: at.f.zoom, row: at.f.row, column: at.f.column }, moved: false };
  };

  #move = (event: PointerEvent): void => {
    const p = this.#point(event);
    const had = this.#pointers.get(event.pointerId);
    if (had && this.#pointers.size === 2) {
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)![1];
      const before = Math.hypot(had.x - other.x, had.y - other.y);
      const after = Math.hypot(p.x - other.x, p.y - other.y);
      this.#pointers.set(event.pointerId, p);
      this.#drag = undefined;
      if (before > 0) this.#zoomBy(after / before, (p.x + other.x) / 2, (p.y + other.y) / 2);
      return;
    }
    const drag = this.#drag;
    if (drag && had) {
      if (!drag.moved && Math.hypot(p.x - drag.x, p.y - drag.y) < 4) return;
      drag.moved = true;
      const { zoom, row, column } = drag.camera;
      this.#set({
        zoom,
        row: Math.max(0, row - (p.y - drag.y) / zoom),
        column: Math.max(0, column - (p.x - drag.x) / zoom),
      });
      return;
    }
    const target = this.current && hit(this.current.scene, p.x, p.y);
    const focus = this.store.focus.peek();
    if (target?.query === focus.query && target?.key === focus.key) return;
    this.store.focus.value = {
      ...(target?.query !== undefined && { query: target.query }),
      ...(target?.key !== undefined && { key: target.key }),
    };
  };

  #up = (event: PointerEvent): void => {
    const p = this.#point(event);
    const drag = this.#drag;
    this.#pointers.delete(event.pointerId);
    this.#drag = undefined;
    if (!drag || drag.moved || !this.current) return;
    const target = hit(this.current.scene, p.x, p.y);
    const c = this.store.choice.peek();
    if (target) chooseCell(this.store, target.query ?? c.query, target.key ?? c.key);
  };
}

function fit(canvas: HTMLCanvasElement, scene: Scene, ratio: number): void {
  const [w, h] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
  if (canvas.width === w && canvas.height === h) return;
  canvas.width = w;
  canvas.height = h;
  canvas.style.width = `${scene.width}px`;
  canvas.style.height = `${scene.height}px`;
}
define("qkv-tiles-view", TilesView);
