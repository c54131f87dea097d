/** @file A view around a picture: keeps its room, its canvas, its pointer. */
import { html, type TemplateResult } from "lit";
import type { Group } from "../engine/protocol.js";
import type { Measure, Scene, Target } from "../scene/scene.js";
import type { Look } from "../draw/canvas.js";
import { View } from "./base.js";
import { lookOf, measureIn, textZoom } from "./look.js";
import { Picture } from "./picture.js";

export class PictureView extends View {
  static override properties = { room: { state: true } };
  declare room: number;
  picture: Picture | undefined;
  #watch: ResizeObserver | undefined;
  #next: { scene: Scene; look: Partial<Look>; signed: boolean } | undefined;

  constructor() {
    super();
    this.room = 640;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#watch = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry!.contentRect.width);
      if (width > 0 && width !== this.room) this.room = width;
    });
    this.#watch.observe(this);
    const width = Math.floor(this.getBoundingClientRect().width); // clientWidth rounds up
    if (width > 0) this.room = width;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch?.disconnect();
    this.picture?.release();
    this.picture = undefined;
    this.store.focus.value = {};
  }

  /** The room for a picture that grows with the reader's letters: see `Picture`. */
  protected get paper(): number {
    return Math.floor(this.room / textZoom());
  }

  get measure(): Measure {
    return measureIn(this);
  }

  /** Remembers what to draw; the canvas gets it when it is in the page. */
  protected show(scene: Scene, look: Partial<Look>, signed = false): void {
    this.#next = { scene, look, signed };
    void this.store.mode.value; // a change of theme draws again
  }

  protected override updated(): void {
    const canvas = this.querySelector<HTMLCanvasElement>("canvas.picture");
    if (!canvas || !this.#next) return;
    if (this.picture?.canvas !== canvas) this.picture = new Picture(canvas);
    const { scene, look, signed } = this.#next;
    this.picture.show(scene, { ...lookOf(this.store, this, signed), ...look });
  }

  protected canvas(scene: Scene, label = scene.says): TemplateResult {
    return html`<div class="frame"><canvas class="picture" tabindex="0" role="application" aria-roledescription="attention picture"
      aria-label=${`${label} Arrow keys move through the cells.`}
      @pointermove=${(e: PointerEvent) => this.moved(e)} @pointerleave=${() => this.hovered(undefined)}
      @pointerdown=${(e: PointerEvent) => this.pressed(e)} @pointerup=${(e: PointerEvent) => this.released(e)}></canvas></div>`;
  }

  protected moved(event: PointerEvent): void {
    this.hovered(this.picture?.at(event));
  }
  protected pressed(event: PointerEvent): void {
    const at = this.picture?.at(event);
    if (at) this.chosen(at);
  }
  protected released(_event: PointerEvent): void {}
  protected hovered(_at: Target | undefined): void {}
  protected chosen(_at: Target): void {}

  /** The first token of a group on the picture. */
  protected token(groups: readonly Group[], group: number | undefined): number | undefined {
    return group === undefined ? undefined : groups[group]?.[0];
  }
}
