/**
 * @file A map of its own numbers, for views that compare, roll out or generate. Its cells move under arrow keys and are
 * said aloud; hovering and choosing are told by the events "hover-cell" and "choose-cell" with { query, key }.
 */
import { html, type TemplateResult } from "lit";
import { heatmapScene } from "../scene/heatmap.js";
import { define } from "./base.js";
import { PictureView } from "./picture-view.js";

export interface PlainMapData {
  rows: readonly string[];
  columns: readonly string[];
  /** [rows, columns]; NaN = may not attend; −1…1 when signed. */
  values: Float32Array;
  says: string;
  signed?: boolean;
  cursor?: { query: number; key: number } | undefined;
  height?: number;
}

class PlainMap extends PictureView {
  static override properties = {
    ...PictureView.properties,
    map: { attribute: false },
    at: { state: true },
    dragging: { type: Boolean },
  };
  /** Pressing and moving tells "drag-cell" with the cell under the pointer, the first one, and how far up it went. */
  declare dragging: boolean;
  #drag: { query: number; key: number; y: number } | undefined;
  declare map: PlainMapData;
  declare at: { query: number; key: number } | undefined;

  override render(): TemplateResult {
    const { map } = this;
    const scene = heatmapScene({
      rows: map.rows,
      columns: map.columns,
      width: this.room,
      height: map.height ?? 520,
      camera: null,
      measure: this.measure,
      says: map.says,
      cells: [{ rows: map.rows.length, columns: map.columns.length, values: map.values, row0: 0, column0: 0, step: 1 }],
    });
    const cursor = this.at ?? map.cursor;
    this.show(scene, { ...(cursor && { cursor }) }, map.signed);
    return html`<div @keydown=${this.#key}>${this.canvas(scene)}</div>`;
  }

  #key = (event: KeyboardEvent): void => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = this.map.cursor ?? { query: 0, key: 0 };
    const clamp = (x: number, n: number): number => Math.min(n - 1, Math.max(0, x));
    this.chosen({
      query: clamp(from.query + step[0]!, this.map.rows.length),
      key: clamp(from.key + step[1]!, this.map.columns.length),
    });
  };

  protected override pressed(event: PointerEvent): void {
    super.pressed(event);
    const at = this.picture?.at(event);
    if (!this.dragging || at?.query === undefined || at.key === undefined) return;
    event.preventDefault();
    this.#drag = { query: at.query, key: at.key, y: event.clientY };
    (event.target as Element).setPointerCapture?.(event.pointerId);
    this.#tell("drag-cell", { query: at.query, key: at.key, from: this.#drag, up: 0, first: true });
  }
  protected override moved(event: PointerEvent): void {
    super.moved(event);
    if (!this.#drag) return;
    const at = this.picture?.at(event);
    const { query = this.#drag.query, key = this.#drag.key } = at ?? {}; // a drag may leave the map
    const up = this.#drag.y - event.clientY;
    this.#tell("drag-cell", { query, key, from: this.#drag, up, first: false });
  }
  protected override released(event: PointerEvent): void {
    super.released(event);
    this.#drag = undefined;
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
  protected override hovered(at: { query?: number; key?: number } | undefined): void {
    this.at = at?.query !== undefined && at.key !== undefined ? { query: at.query, key: at.key } : undefined;
    this.#tell("hover-cell", this.at);
  }
  protected override chosen(at: { query?: number; key?: number }): void {
    if (at.query === undefined || at.key === undefined) return;
    const { map } = this;
    const value = map.values[at.query * map.columns.length + at.key]!;
    this.store.spoken.value = `“${map.rows[at.query]}”, “${map.columns[at.key]}”, ${Number.isNaN(value) ? "may not attend" : value.toFixed(4)}`;
    this.#tell("choose-cell", at);
  }
}
define("qkv-plain-map", PlainMap);
