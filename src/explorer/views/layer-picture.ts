/** @file A picture of the chosen layer's maps: what is pointed at is the page's focus, what is pressed its cursor. */
import type { Target } from "../scene/scene.js";
import { chooseCell } from "../state/actions.js";
import { PictureView } from "./picture-view.js";

export class LayerPicture extends PictureView {
  protected override chosen(at: Target): void {
    const { query, key } = this.#tokens(at);
    const c = this.store.choice.value;
    chooseCell(this.store, query ?? c.query, key ?? c.key);
  }

  protected override hovered(at: Target | undefined): void {
    this.store.focus.value = { ...this.#tokens(at), ...(at?.head !== undefined && { head: at.head }) };
  }

  /** The tokens with which the groups under a pointer begin. */
  #tokens(at: Target | undefined): { query?: number; key?: number } {
    const maps = this.store.maps();
    if (maps?.state !== "ready") return {};
    const query = this.token(maps.value.rows, at?.query);
    const key = this.token(maps.value.columns, at?.key);
    return { ...(query !== undefined && { query }), ...(key !== undefined && { key }) };
  }
}
