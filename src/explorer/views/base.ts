/** @file What every view is: a custom element in the page's own tree that is drawn again when a signal it read changes. */
import { effect } from "@preact/signals-core";
import { LitElement } from "lit";
import type { Store } from "../state/store.js";

let shared: Store | undefined;
/** The page's store; set once before the first element is made. */
export function useStore(store: Store): void {
  shared = store;
}
export function theStore(): Store {
  if (!shared) throw new Error("the store is set before views are made");
  return shared;
}

export class View extends LitElement {
  #stop: (() => void) | undefined;

  get store(): Store {
    return theStore();
  }

  /** One stylesheet for the page: no shadow trees between its parts. */
  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    this.#stop = undefined;
  }

  protected override performUpdate(): void {
    if (!this.isUpdatePending) return;
    this.#stop?.();
    let drawn = false;
    this.#stop = effect(() => {
      if (drawn) {
        this.requestUpdate();
        return;
      }
      drawn = true;
      super.performUpdate();
    });
  }
}

export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
