/** @file The head finder's second half: the heads nearest to the chosen one, and groups of heads whose maps are alike. */
import "../app/styles/grids.css";
import { html, nothing, type TemplateResult } from "lit";
import { headStyle } from "../draw/colour.js";
import type { FinderShown } from "../engine/finder.js";
import { chooseHead, describeHead, headOf, layerOf } from "../state/actions.js";
import type { Loaded, Store } from "../state/store.js";
import { define, View } from "./base.js";
import { framed } from "./framed.js";
import { waiting } from "./waiting.js";

/** The finder's numbers for the run on the page. */
export function askFinder(store: Store): Loaded<FinderShown> | undefined {
  const run = store.shown.value;
  const k = store.kind.value;
  if (!run || !k) return undefined;
  return store.ask(
    `finder ${run.id} ${k.kind}`,
    (onProgress) => store.engine.lab("finder", { run: run.id, kind: k.kind }, { onProgress }) as Promise<FinderShown>,
  ).value;
}

/** Which group each head is in, the heads of each group, and the one in its middle. */
interface Cut {
  group: Int32Array;
  members: number[][];
  middles: number[];
}

class FinderView extends View {
  override render(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const finder = askFinder(store);
    if (!k || finder?.state !== "ready") return waiting(finder, "Comparing every head with every other");
    const f = finder.value;
    const [layer, head] = [layerOf(store, k), headOf(store, k)];
    const at = f.heads.findIndex(([l, h]) => l === layer && h === head);
    return html`<div class="two-up">${at < 0 ? nothing : this.#nearest(f, at)} ${this.#clusters(f, at)}</div>`;
  }

  #nearest(f: FinderShown, at: number): TemplateResult {
    const n = f.heads.length;
    const order = nearestTo(f, at).slice(0, 8);
    const [layer, head] = f.heads[at]!;
    return html`<section><h2 class="small-head">Heads most like ${layer}.${head}</h2>
      ${framed(
        "Heads most like it",
        html`<table class="numbers" data-testid="nearest"><caption>Distance of two maps: 0 the same, 1 no key in common (Hellinger, mean over rows)</caption>
        <thead><tr><th scope="col">head</th><th scope="col">distance</th><th scope="col" class="words">what it does</th></tr></thead>
        <tbody>${order.map((b) => html`<tr><th scope="row"><button class="quiet" @click=${() => chooseHead(this.store, ...f.heads[b]!)}>${f.heads[b]!.join(".")}</button></th><td>${f.distance[at * n + b]!.toFixed(3)}</td><td class="words">${describeHead(this.store, ...f.heads[b]!)}</td></tr>`)}</tbody></table>`,
      )}</section>`;
  }

  #kept: { f: FinderShown; count: number; cut: Cut } | undefined;
  /** The groups, worked out once for all heads of the run. */
  #cut(f: FinderShown, count: number): Cut {
    if (this.#kept?.f !== f || this.#kept.count !== count) {
      const group = cutAt(f, count);
      const members = Array.from({ length: count }, (_, g) => [...group.keys()].filter((i) => group[i] === g));
      const middles = members.map((list) => {
        const spreads = new Map(list.map((i) => [i, spread(f, i, list)]));
        return list.reduce((best, i) => (spreads.get(i)! < spreads.get(best)! ? i : best), list[0]!);
      });
      this.#kept = { f, count, cut: { group, members, middles } };
    }
    return this.#kept.cut;
  }

  #clusters(f: FinderShown, at: number): TemplateResult {
    const { store } = this;
    const c = store.choice.value;
    const most = Math.min(12, f.heads.length);
    const count = Math.min(most, Math.max(1, Number(c.extra["groups"] ?? "6") || 6));
    const { group, members, middles } = this.#cut(f, count);
    const own = at < 0 ? -1 : group[at]!;
    return html`<section><h2 class="small-head">Groups of heads that look alike</h2>
      <label class="knob">groups <input id="groups" type="range" min="1" max=${most} step="1" .value=${String(count)} @input=${(e: Event) => store.change({ extra: { ...c.extra, groups: (e.target as HTMLInputElement).value } })} /><output>${count}</output></label>
      <ol class="groups" data-testid="groups">${members.map((list, g) => {
        const { colour } = headStyle(g, store.mode.value);
        const middle = middles[g]!;
        return html`<li class=${g === own ? "lead-row" : ""}><svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="3" fill=${colour}></rect></svg>
          <span>${list.length} ${list.length === 1 ? "head" : "heads"}, in the middle <button class="quiet" @click=${() => chooseHead(store, ...f.heads[middle]!)}>${f.heads[middle]!.join(".")}</button>
          <span class="soft">${describeHead(store, ...f.heads[middle]!)}</span>
          ${list.length > 1 ? html`<details><summary>all of them</summary>${list.slice(0, 200).map((i) => html`<button class="quiet" @click=${() => chooseHead(store, ...f.heads[i]!)}>${f.heads[i]!.join(".")}</button> `)}</details>` : nothing}</span></li>`;
      })}</ol></section>`; // biome-ignore format: one list
  }
}
define("qkv-finder", FinderView);

const spread = (f: FinderShown, i: number, list: number[]): number =>
  list.reduce((s, j) => s + f.distance[i * f.heads.length + j]!, 0);

/** All other heads, nearest first. */
export function nearestTo(f: FinderShown, at: number): number[] {
  const n = f.heads.length;
  return [...Array(n).keys()].filter((b) => b !== at).sort((a, b) => f.distance[at * n + a]! - f.distance[at * n + b]! || a - b); // biome-ignore format: one list
}

/** Which of `count` groups each head is in, largest group first: the joins undone from the last on. */
export function cutAt(f: FinderShown, count: number): Int32Array {
  const n = f.heads.length;
  const parent = Int32Array.from({ length: 2 * n }, (_, i) => i);
  const top = (i: number): number => {
    let at = i;
    while (parent[at] !== at) at = parent[at]!;
    return at;
  };
  f.joins.slice(0, Math.max(0, n - count)).forEach(([a, b], i) => {
    parent[top(a)] = n + i;
    parent[top(b)] = n + i;
  });
  const sizes = new Map<number, number>();
  const tops = Array.from({ length: n }, (_, i) => top(i));
  for (const t of tops) sizes.set(t, (sizes.get(t) ?? 0) + 1);
  const order = [...sizes].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([t]) => t);
  return Int32Array.from(tops, (t) => order.indexOf(t));
}
