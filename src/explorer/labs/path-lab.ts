/** @file Path trace: how the next word came about, edge by edge, each edge tested by cutting it. */
import { html, svg, type TemplateResult } from "lit";
import type { PathAsked, PathShown } from "../engine/path.js";
import { percent, tokenLabel, visible } from "../scene/tokens.js";
import { define, View } from "../views/base.js";
import { failure, waiting } from "../views/waiting.js";

export const tag = "qkv-path-lab";
const signed = (x: number): string => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(3)}`;

class PathLab extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const { extra } = store.choice.value;
    const target = Number(extra["pathTo"] ?? Number.NaN);
    const asked: PathAsked = { run: run.id, kind: k.kind, ...(Number.isInteger(target) && { target }) };
    const answer = store.ask<PathShown>(
      `path ${JSON.stringify(asked)}`,
      (onProgress) => store.engine.lab("path", asked, { onProgress }) as Promise<PathShown>,
    ).value;
    return html`<article class="page lab">
      <h2>Path trace</h2>
      <p class="lead">Where does the next word come from? From the last token at the last layer down, the strongest edges of each layer are cut one at a time, those whose weight times the length of what they carry, α·‖v·W_O‖, is largest. The one whose cut moves the word's logit most is followed. A line in a picture proves nothing; a cut does.</p>
      <p class="ask"><b>Before you look:</b> which earlier word will the path end at? And is a single edge enough to take the word away?</p>
      ${answer.state === "failed" ? failure(answer.message) : answer.state === "ready" ? this.#result(answer.value) : waiting(answer, "Cutting edges")}
    </article>`; // biome-ignore format: one template
  }

  #result(p: PathShown): TemplateResult {
    const { store } = this;
    const k = store.kind.value!;
    const label = (i: number): string => tokenLabel(k.rows[i]!);
    const harder = p.random.filter((r) => Math.abs(r) >= Math.abs(p.cut)).length;
    const most = Math.max(...p.random.map(Math.abs));
    return html`
      <div class="tools"><label>the word <select id="path-to" @change=${(e: Event) => store.change({ extra: { ...store.choice.peek().extra, pathTo: (e.target as HTMLSelectElement).value } }, "push")}>${p.choices.map((g) => html`<option value=${g.id} ?selected=${g.id === p.target.id}>${visible(g.text)} ${percent(g.probability)}</option>`)}</select></label></div>
      <p class="lead" data-testid="path">Cutting the whole path moves the logit of “<b>${visible(p.target.text)}</b>” by <span class="figure">${signed(p.cut)}</span>; of ${p.random.length} paths by chance, as long and from the same place, ${harder === 0 ? "none moves it as much" : harder === 1 ? "one moves it as much" : `${harder} move it as much`} (the most: ${most.toFixed(3)}).</p>
      ${this.#picture(p, label)}
      <div class="scrolls" tabindex="0" role="group" aria-label="The path"><table class="numbers"><caption>The path, from the last layer down; the logit is ${p.logit.toFixed(3)} before any cut</caption>
        <thead><tr><th scope="col">layer</th><th scope="col">head</th><th scope="col">looks</th><th scope="col">at</th><th scope="col">weight</th><th scope="col">α·‖v·W_O‖</th><th scope="col">logit when cut</th><th scope="col">see it</th></tr></thead>
        <tbody>${p.edges.map((e) => html`<tr><td>${e.layer}</td><td>${e.head}</td><td><bdi>${label(e.query)}</bdi> <span class="soft">${e.query}</span></td><td><bdi>${label(e.key)}</bdi> <span class="soft">${e.key}</span></td><td>${e.weight.toFixed(4)}</td><td>${e.strength.toFixed(3)}</td><td>${signed(e.cut)}</td><td><button @click=${() => store.change({ page: "explore", view: "map", layer: e.layer, head: e.head, query: e.query, key: e.key }, "push")} aria-label=${`map of layer ${e.layer} head ${e.head}`}>map</button></td></tr>`)}</tbody></table></div>
      <p class="soft">The residual stream also carries each token straight up, past every edge: that part is not a path between tokens and is not cut here. An edge is cut by taking its own α·v out of its head's output; nothing is renormalised.</p>`; // biome-ignore format: one template
  }

  /** Layers upwards, tokens along; edges as thick as they are strong. */
  #picture(p: PathShown, label: (i: number) => string): TemplateResult {
    const layers = [...p.edges].reverse();
    const tokens = [...new Set(p.edges.flatMap((e) => [e.query, e.key]))].sort((a, b) => a - b);
    const [dx, dy, left, top] = [96, 54, 64, 26];
    const width = left + Math.max(1, tokens.length) * dx;
    const height = top + layers.length * dy + 42;
    const x = (token: number): number => left + (tokens.indexOf(token) + 0.5) * dx;
    const y = (level: number): number => height - 34 - level * dy;
    const most = Math.max(...p.edges.map((e) => e.strength), 1e-9);
    return html`<div class="scrolls" tabindex="0" role="group" aria-label="The path"><svg class="path-picture" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img" aria-label=${`The path: ${p.edges.map((e) => `layer ${e.layer} head ${e.head}, ${label(e.query)} from ${label(e.key)}`).join("; ")}.`}>
      ${[...Array(layers.length + 1).keys()].map((n) => svgText(8, y(n) + 4, n === 0 ? "text" : `layer ${layers[n - 1]!.layer}`, "axis-word"))}
      ${layers.map((e, n) => line(x(e.key), y(n), x(e.query), y(n + 1), 1 + 6 * (e.strength / most)))}
      ${layers.map((e, n) => svgText((x(e.key) + x(e.query)) / 2 + 6, (y(n) + y(n + 1)) / 2 + 4, `head ${e.head}`, "edge-word"))}
      ${tokens.map((t) => svgText(x(t), height - 10, label(t), "token-word"))}
      ${svgText(x(p.edges[0]!.query), 16, `→ ${visible(p.target.text)}`, "token-word target")}
    </svg></div>`; // biome-ignore format: one picture
  }
}

const svgText = (x: number, y: number, text: string, kind: string): unknown =>
  svg`<text x=${x} y=${y} class=${kind}>${text}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, width: number): unknown =>
  svg`<line x1=${x1} y1=${y1} x2=${x2} y2=${y2} stroke-width=${width.toFixed(2)} class="edge-line"/><circle cx=${x1} cy=${y1} r="4" class="edge-dot"/><circle cx=${x2} cy=${y2} r="4" class="edge-dot"/>`;

define(tag, PathLab);
