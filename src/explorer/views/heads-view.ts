/**
 * @file All heads at once, a row a layer: thumbnails pooled by maximum, so nothing strong is hidden. Small in the margin as
 * the way to choose a head, large as a view of its own with each head's habit under it.
 */
import { html, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { cellPixels } from "../draw/canvas.js";
import { rampOf } from "../draw/colour.js";
import type { Atlas, KindView } from "../engine/protocol.js";
import { chooseHead, describeHead, headOf, layerOf, leading } from "../state/actions.js";
import { define, View } from "./base.js";
import { weightLegend } from "./legend.js";
import { mark } from "./mark.js";
import { waiting } from "./waiting.js";

const short: Record<string, string> = {
  previous: "previous", next: "next", self: "itself", first: "first", delimiter: "delimiters", local: "near",
  duplicate: "repeats", induction: "induction", alignment: "aligned", broad: "broad",
}; // biome-ignore format: a table

/** Above this many heads all thumbnails are one picture: a thousand canvases are laid over each other in every frame. */
const manyHeads = 200;

class HeadsView extends View {
  static override properties = { large: { type: Boolean } };
  declare large: boolean;

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener("contextrestored", this.#again, true); // a canvas that was lost comes back blank
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.removeEventListener("contextrestored", this.#again, true);
  }
  #again = (): void => {
    this.#drawn = "";
    this.requestUpdate();
  };

  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const run = store.shown.value;
    if (!k || !run)
      return this.large
        ? waiting(store.run.value, "Reading the text")
        : html`<div class="grid-ghost" aria-hidden="true"></div>`;
    const size = this.large ? 64 : 32;
    const load = (onProgress: (done: number, total: number, says: string) => void): Promise<Atlas> =>
      store.engine.atlas({ run: run.id, kind: k.kind, size }, { onProgress });
    const name = `atlas ${run.id} ${k.kind} ${size}`;
    const atlas = (this.large ? store.ask(name, load) : store.askBeside(name, load)).value;
    void [layerOf(store, k), headOf(store, k)]; // the mark follows, in updated()
    const types = this.large ? store.types() : undefined;
    const many = k.layers.length * k.heads > manyHeads;
    return html`
      ${this.large && atlas.state !== "ready" ? waiting(atlas, "Drawing every head") : nothing}
      <div class="head-grid ${this.large ? (many ? "large many" : "large") : many ? "dense" : ""}" .style=${`--heads:${k.heads}`} role="group" aria-label="Layers and heads">
        ${this.large ? nothing : html`<span class="corner" aria-hidden="true"></span>${[...Array(k.heads).keys()].map((h) => html`<span class="head-name" aria-hidden="true">${many && h % 5 > 0 ? "" : h}</span>`)}`}
        ${guard([k, this.large, types?.state === "ready" && types.value], () => k.layers.map((l, row) => html`
          <span class="layer-name" aria-hidden="true">${this.large ? `layer ${l}` : l}</span>
          ${[...Array(k.heads).keys()].map((h) => {
            const habit = types?.state === "ready" ? leading(types.value, l, h) : undefined;
            return html`<button class="thumb" aria-pressed="false" tabindex="-1" data-mark=${`${l}.${h}`} data-row=${row} data-head=${h}
              aria-label=${this.large ? nothing : `layer ${l}, head ${h}`} title=${this.large ? describeHead(store, l, h) : `layer ${l}, head ${h}`}
              @click=${() => chooseHead(store, l, h)} @dblclick=${() => store.change({ view: "map" }, "push")}
              @keydown=${(e: KeyboardEvent) => this.#walk(e, row, h, k)}>
              ${many ? html`<span class="thumb-room" data-at=${row * k.heads + h}></span>` : html`<canvas width=${size} height=${size} data-at=${row * k.heads + h} aria-hidden="true"></canvas>`}
              ${this.large ? html`<span class="thumb-name"><span class="sr">layer and head </span><b>${l}.${h}</b> ${habit ? short[habit.id] : ""}</span>` : nothing}
            </button>`;
          })}`))}
        ${many ? html`<canvas class="all-thumbs" aria-hidden="true"></canvas>` : nothing}
      </div>
      ${this.large ? weightLegend(store, ["in each picture a row a query, a column a key; of neighbours the largest weight", k.queries * k.keys > 2 ** 20 ? "two rows of each band are shown" : ""].filter(Boolean)) : html`<p class="grid-note">rows are layers, columns heads${k.queries * k.keys > 2 ** 20 ? "; two rows of each band are shown" : ""}</p>`}`; // biome-ignore format: one template
  }

  /** Arrow keys walk the grid; the page's own arrows stay out of it. */
  #walk(event: KeyboardEvent, row: number, head: number, k: KindView): void {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const to = [
      Math.min(k.layers.length - 1, Math.max(0, row + step[0]!)),
      Math.min(k.heads - 1, Math.max(0, head + step[1]!)),
    ];
    chooseHead(this.store, k.layers[to[0]!]!, to[1]!);
    this.updateComplete.then(() =>
      this.querySelector<HTMLElement>(`[data-row="${to[0]}"][data-head="${to[1]}"]`)?.focus(),
    );
  }

  /** All thumbnails on one canvas, each where its button is. */
  #together(canvas: HTMLCanvasElement, imageOf: (room: HTMLElement) => ImageData): void {
    const grid = canvas.parentElement!;
    canvas.style.display = "none"; // its own size must not count
    const [width, height] = [grid.scrollWidth, grid.scrollHeight];
    const own = grid.getBoundingClientRect();
    const box = { left: own.left - grid.scrollLeft, top: own.top };
    const ratio = Math.min(globalThis.devicePixelRatio || 1, Math.sqrt(2 ** 24 / Math.max(1, width * height)));
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    [canvas.style.width, canvas.style.height, canvas.style.display] = [`${width}px`, `${height}px`, ""];
    const g = canvas.getContext("2d")!;
    g.imageSmoothingEnabled = false;
    const rooms = [...this.querySelectorAll<HTMLElement>(".thumb-room")];
    // The buttons are measured, not what is in them: a browser need not lay out the inside of one that is out of sight.
    const buttons = rooms.map((room) => room.parentElement!);
    const { paddingLeft, borderLeftWidth } = getComputedStyle(buttons[0]!);
    const rim = Number.parseFloat(paddingLeft) + Number.parseFloat(borderLeftWidth);
    const boxes = buttons.map((b) => b.getBoundingClientRect());
    let one: OffscreenCanvas | undefined;
    const mine = this.#drawn;
    const from = (start: number): void => {
      if (this.#drawn !== mine) return; // another picture is wanted by now
      for (let n = start; n < Math.min(rooms.length, start + 240); n++) {
        const image = imageOf(rooms[n]!);
        one ??= new OffscreenCanvas(image.width, image.height);
        one.getContext("2d")!.putImageData(image, 0, 0);
        const b = boxes[n]!;
        const side = (b.width - 2 * rim) * ratio;
        g.drawImage(one, (b.left + rim - box.left) * ratio, (b.top + rim - box.top) * ratio, side, side);
      }
      if (start + 240 < rooms.length) requestAnimationFrame(() => from(start + 240));
    };
    from(0);
  }

  #drawn = "";
  protected override updated(): void {
    const { store } = this;
    const run = store.shown.peek();
    const k = store.kind.peek();
    if (!run || !k) return;
    mark(this, layerOf(store, k), headOf(store, k));
    const size = this.large ? 64 : 32;
    const atlas = store.ask<Atlas>(`atlas ${run.id} ${k.kind} ${size}`, () => store.engine.atlas({ run: run.id, kind: k.kind, size })).peek(); // biome-ignore format: one question
    if (atlas.state !== "ready") return;
    const { scale, transform } = store.choice.peek();
    const mode = store.mode.peek();
    const together = this.querySelector<HTMLCanvasElement>("canvas.all-thumbs");
    const key = `${run.id} ${k.kind} ${scale} ${transform} ${mode} ${this.isConnected} ${together?.parentElement?.clientWidth}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    const look = { ramp: rampOf(scale, mode), transform, signed: false };
    const [R, C] = [Math.min(size, k.queries), Math.min(size, k.keys)];
    const valuesOf = (place: HTMLElement): Float32Array => {
      const at = Number(place.dataset["at"]) * size * size;
      const values = new Float32Array(R * C);
      for (let r = 0; r < R; r++) values.set(atlas.value.values.subarray(at + r * size, at + r * size + C), r * C);
      return values;
    };
    if (together) return this.#together(together, (room) => new ImageData(cellPixels({ rows: R, columns: C, values: valuesOf(room) }, look), C, R)); // biome-ignore format: one call
    for (const canvas of this.querySelectorAll<HTMLCanvasElement>("canvas[data-at]")) {
      const values = valuesOf(canvas);
      canvas.width = C;
      canvas.height = R;
      canvas
        .getContext("2d")
        ?.putImageData(new ImageData(cellPixels({ rows: R, columns: C, values }, look), C, R), 0, 0);
    }
  }
}
define("qkv-heads", HeadsView);
