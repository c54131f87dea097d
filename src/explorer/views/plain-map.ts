/**
 * @file A map of its own numbers, for views that compare, roll out or generate. Its cells move under arrow keys and are
 * said aloud; hovering and choosing are told by the events "hover-cell" and "choose-cell" with { query, key }.
 */
import { html, nothing, type TemplateResult } from "lit";
import { heatmapScene } from "../scene/heatmap.js";
import { weightText } from "../scene/tokens.js";
import { define } from "./base.js";
import { signedLegend, weightLegend } from "./legend.js";
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
  /** What a row and a column are; default: query and key. */
  names?: readonly [row: string, column: string];
  /** Smallest pixels a cell: a larger map scrolls in its frame. */
  cell?: number;
  /** Said beside the scale; null: the scale stands elsewhere. */
  notes?: readonly string[] | null;
}

class PlainMap extends PictureView {
  static override properties = {
    ...PictureView.properties,
    map: { attribute: false },
    at: { state: true },
    walked: { state: true },
    dragging: { type: Boolean },
  };
  /** Pressing and moving tells "drag-cell" with the cell under the pointer, the first one, and how far up it went. */
  declare dragging: boolean;
  #drag: { query: number; key: number; y: number } | undefined;
  declare map: PlainMapData;
  declare at: { query: number; key: number } | undefined;
  /** Where the keys went, for views that keep no cursor of their own. */
  declare walked: { query: number; key: number } | undefined;

  override render(): TemplateResult {
    const { map, paper } = this;
    const { cell = 0, height = 520 } = map;
    const scene = heatmapScene({
      rows: map.rows,
      columns: map.columns,
      names: map.names,
      width: Math.max(paper, 60 + cell * map.columns.length),
      height: Math.max(height, 60 + cell * map.rows.length),
      camera: null,
      measure: this.measure,
      says: map.says,
      cells: [{ rows: map.rows.length, columns: map.columns.length, values: map.values, row0: 0, column0: 0, step: 1 }],
    });
    const cursor = this.at ?? this.#cursor;
    this.show(scene, { ...(cursor && { cursor }) }, map.signed);
    const { notes = [] } = map;
    const scale = notes && (map.signed ? signedLegend : weightLegend)(this.store, notes);
    return html`<div @keydown=${this.#key}>${this.canvas(scene)}</div>${scale ?? nothing}`;
  }

  get #cursor(): { query: number; key: number } | undefined {
    const { cursor, rows, columns } = this.map;
    const kept = this.walked && this.walked.query < rows.length && this.walked.key < columns.length;
    return kept ? this.walked : cursor;
  }
  protected override willUpdate(changed: Map<string, unknown>): void {
    const had = changed.get("map") as PlainMapData | undefined;
    const moved = had?.cursor?.query !== this.map.cursor?.query || had?.cursor?.key !== this.map.cursor?.key;
    if (changed.has("map") && moved) this.walked = undefined;
  }

  #key = (event: KeyboardEvent): void => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = this.#cursor ?? { query: 0, key: -1 };
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
    this.walked = { query: at.query, key: at.key };
    const value = map.values[at.query * map.columns.length + at.key]!;
    this.store.spoken.value = `“${map.rows[at.query]}”, “${map.columns[at.key]}”, ${Number.isNaN(value) ? "may not attend" : map.signed ? value.toFixed(4).replace("-", "minus ") : weightText(value)}`;
    this.#tell("choose-cell", at);
  }
}
define("qkv-plain-map", PlainMap);
