/** @file The views of the stage, in the order of their tabs. To add one: an element and a line. */
import { html, type TemplateResult } from "lit";
import type { Store } from "../state/store.js";
import { lazy } from "./lazy.js";

export interface StageView {
  id: string;
  title: string;
  says: string;
  element(store: Store): TemplateResult;
}

export const viewList: readonly StageView[] = [
  {
    id: "text",
    title: "Text",
    says: "the text, shaded by what a token looks at",
    element: () => html`<qkv-text-view></qkv-text-view>`,
  },
  {
    id: "lines",
    title: "Lines",
    says: "a line from each token to those it looks at",
    element: () => html`<qkv-lines-view></qkv-lines-view>`,
  },
  {
    id: "map",
    title: "Map",
    says: "every weight of a head in its cell",
    element: () => html`<qkv-map-view></qkv-map-view>`,
  },
  {
    id: "heads",
    title: "All heads",
    says: "every head of every layer",
    element: () => html`<qkv-heads large></qkv-heads>`,
  },
  {
    id: "neuron",
    title: "q · k",
    says: "one score, dimension by dimension",
    element: () => lazy(() => import("./neuron-view.js"), html`<qkv-neuron-view></qkv-neuron-view>`),
  },
  {
    id: "types",
    title: "Head types",
    says: "what each head does, against chance",
    element: () => lazy(() => import("./types-view.js"), html`<qkv-types-view></qkv-types-view>`),
  },
];
