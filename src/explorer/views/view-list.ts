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

const late = (load: () => Promise<unknown>, element: TemplateResult) => () => lazy(load, element);

export const viewList: readonly StageView[] = [
  { id: "text", title: "Text", says: "the text, shaded by what a token looks at", element: () => html`<qkv-text-view></qkv-text-view>` },
  { id: "lines", title: "Lines", says: "a line from each token to those it looks at", element: late(() => import("./lines-view.js"), html`<qkv-lines-view></qkv-lines-view>`) },
  { id: "map", title: "Map", says: "every weight of a head in its cell", element: late(() => import("./map-view.js"), html`<qkv-map-view></qkv-map-view>`) },
  { id: "heads", title: "All heads", says: "every head of every layer", element: () => html`<qkv-heads large></qkv-heads>` },
  { id: "neuron", title: "q · k", says: "one score, dimension by dimension", element: late(() => import("./neuron-view.js"), html`<qkv-neuron-view></qkv-neuron-view>`) },
  { id: "types", title: "Head types", says: "what each head does, against chance", element: late(() => import("./types-view.js"), html`<qkv-types-view></qkv-types-view>`) },
  { id: "whatif", title: "What if", says: "change heads, masks and scale; see the next token change", element: late(() => import("./what-if-view.js"), html`<qkv-what-if-view></qkv-what-if-view>`) },
  { id: "timeline", title: "Timeline", says: "the model writes on, a row a token", element: late(() => import("./timeline-view.js"), html`<qkv-timeline-view></qkv-timeline-view>`) },
  { id: "compare", title: "Compare", says: "two heads, texts or models and their difference", element: late(() => import("./compare-view.js"), html`<qkv-compare-view></qkv-compare-view>`) },
  { id: "lens", title: "Logit lens", says: "what the model would say after each layer", element: late(() => import("./lens-view.js"), html`<qkv-lens-view></qkv-lens-view>`) },
  { id: "flow", title: "Rollout", says: "all layers as one map; rollout and flow", element: late(() => import("./flow-view.js"), html`<qkv-flow-view></qkv-flow-view>`) },
  { id: "circuits", title: "Circuits", says: "what a head's weights look for and say, word by word", element: late(() => import("./circuits-view.js"), html`<qkv-circuits-view></qkv-circuits-view>`) },
]; // biome-ignore format: a table
