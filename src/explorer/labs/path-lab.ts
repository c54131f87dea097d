/** @file Path trace: how the next word came about, edge by edge, each edge tested by cutting it. */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, svg, type TemplateResult } from "lit";
import type { Edge, PathAsked, PathShown } from "../engine/path.js";
import { percent, tokenLabel, visible } from "../scene/tokens.js";
import { define, View } from "../views/base.js";
import { closed, openModel } from "../views/closed.js";
import { failure, waiting } from "../views/waiting.js";

export const tag = "qkv-path-lab";
const signed = (x: number): string => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(3)}`;

/** What is followed, in words. */
const followed = (p: PathShown, token: string): TemplateResult => {
  const word = p.target ? visible(p.target.text) : "";
  if (p.of === "next") return html`the logit of “<b>${word}</b>” after <bdi>${token}</bdi>`;
  if (p.of === "word") return html`the logit of “<b>${word}</b>” at <bdi>${token}</bdi>`;
  if (p.of === "label") return html`the logit of <b>${word}</b> at <bdi>${token}</bdi>`;
  if (p.of === "class") return html`the logit of <b>${word}</b>`;
  return html`the last vector of <bdi>${token}</bdi>`;
};
/** A change, as the result is counted. */
const change = (p: PathShown, x: number): string => (p.of === "vector" ? percent(x) : signed(x));

class PathLab extends View {
  override render(): TemplateResult {
    const { store } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    const shut = closed(run.model);
    if (shut)
      return html`<article class="page lab"><h2>Path trace</h2><p class="empty">${shut} A path is found by running the model again with an edge cut. ${openModel}</p></article>`;
    const { extra } = store.choice.value;
    const whole = (name: string): number | undefined =>
      /^\d+$/.test(extra[name] ?? "") ? Number(extra[name]) : undefined;
    const [target, at] = [whole("pathTo"), whole("pathAt")];
    const own = run.kinds.find((x) => x.kind !== "encoder")!.rows;
    const position = at !== undefined && at < own.length ? at : undefined;
    const asked: PathAsked = { run: run.id, ...(target !== undefined && { target }), ...(position !== undefined && { position }) }; // biome-ignore format: one record
    const answer = store.ask<PathShown>(
      `path ${JSON.stringify(asked)}`,
      (onProgress) => store.engine.lab("path", asked, { onProgress }) as Promise<PathShown>,
    ).value;
    return html`<article class="page lab">
      <h2>Path trace</h2>
      <p class="lead">Where does ${run.hasLogits ? "the next word" : "this result"} come from? From one token at the last layer down, the strongest edges of each layer are cut one at a time, those whose weight times the length of what they carry, α·‖v·W_O‖, is largest. The one whose cut moves the result most is followed. A line in a picture proves nothing; a cut does.</p>
      <p class="ask"><b>Before you look:</b> which word will the path end at? And is a single edge enough to take the ${run.hasLogits ? "word" : "result"} away?</p>
      ${answer.state === "failed" ? failure(answer.message) : answer.state === "ready" ? this.#result(answer.value) : waiting(answer, "Cutting edges")}
    </article>`; // biome-ignore format: one template
  }

  /** The text of a token on one side of an edge. */
  #label(e: Edge, side: "query" | "key"): string {
    const kind = this.store.shown.value!.kinds.find((x) => x.kind === e.kind)!;
    return tokenLabel((side === "query" ? kind.rows : kind.columns)[e[side]]!);
  }

  #result(p: PathShown): TemplateResult {
    const { store } = this;
    const run = store.shown.value!;
    const own = run.kinds.find((x) => x.kind !== "encoder")!.rows;
    const choose =
      (name: string) =>
      (e: Event): void =>
        store.change(
          { extra: { ...store.choice.peek().extra, [name]: (e.target as HTMLSelectElement).value } },
          "push",
        );
    const harder = p.random.filter((r) => Math.abs(r) >= Math.abs(p.cut)).length;
    const most = Math.max(...p.random.map(Math.abs));
    const several = run.kinds.length > 1;
    return html`
      <div class="tools">
        ${p.of === "class" ? nothing : html`<label>${p.of === "next" ? "after token" : "at token"} <select id="path-at" @change=${choose("pathAt")}>${own.map((t, i) => html`<option value=${i} ?selected=${i === p.position}>${i}: ${tokenLabel(t)}</option>`)}</select></label>`}
        ${p.choices.length > 0 ? html`<label>the ${p.of === "class" ? "class" : "word"} <select id="path-to" @change=${choose("pathTo")}>${p.choices.map((g) => html`<option value=${g.id} ?selected=${g.id === p.target?.id}>${visible(g.text)} ${percent(g.probability)}</option>`)}</select></label>` : nothing}
      </div>
      <p class="lead" data-testid="path">Cutting the whole path moves ${followed(p, tokenLabel(own[p.position]!))} by <span class="figure">${change(p, p.cut)}</span>${p.of === "vector" ? " of its length" : ""}; of ${p.random.length} paths by chance, as long and from the same place, ${harder === 0 ? "none moves it as much" : harder === 1 ? "one moves it as much" : `${harder} move it as much`} (the most: ${p.of === "vector" ? percent(most) : most.toFixed(3)}).</p>
      ${this.#picture(p, p.target ? `→ ${visible(p.target.text)}` : "its last vector")}
      <div class="scrolls" tabindex="0" role="group" aria-label="The path"><table class="numbers"><caption>The path, from the last layer down; ${p.of === "vector" ? "the vector's length" : "the logit"} is ${p.before.toFixed(3)} before any cut</caption>
        <thead><tr>${several ? html`<th scope="col" class="words">attention</th>` : nothing}<th scope="col">layer</th><th scope="col">head</th><th scope="col">looks</th><th scope="col">at</th><th scope="col">weight</th><th scope="col">α·‖v·W_O‖</th><th scope="col">when cut</th><th scope="col">see it</th></tr></thead>
        <tbody>${p.edges.map((e) => html`<tr>${several ? html`<td class="words">${e.kind}</td>` : nothing}<td>${e.layer}</td><td>${e.head}</td><td><bdi>${this.#label(e, "query")}</bdi> <span class="soft">${e.query}</span></td><td><bdi>${this.#label(e, "key")}</bdi> <span class="soft">${e.key}</span></td><td>${e.weight.toFixed(4)}</td><td>${e.strength.toFixed(3)}</td><td>${change(p, e.cut)}</td><td><button @click=${() => store.change({ page: "explore", view: "map", kind: e.kind, layer: e.layer, head: e.head, query: e.query, key: e.key }, "push")} aria-label=${`map of ${several ? `${e.kind} ` : ""}layer ${e.layer} head ${e.head}`}>map</button></td></tr>`)}</tbody></table></div>
      <p class="soft">The residual stream also carries each token straight up, past every edge: that part is not a path between tokens and is not cut here. An edge is cut by taking its own α·v out of its head's output; nothing is renormalised.</p>`; // biome-ignore format: one template
  }

  /** Layers upwards, tokens along, a source's before a target's; edges as thick as they are strong. */
  #picture(p: PathShown, result: string): TemplateResult {
    const up = [...p.edges].reverse();
    if (up.length === 0) return html`<p class="soft">This token sees nothing: there is no path.</p>`;
    const inSource = (e: Edge, side: "query" | "key"): boolean =>
      e.kind === "encoder" || (e.kind === "cross" && side === "key");
    const place = (e: Edge, side: "query" | "key"): number => (inSource(e, side) ? 0 : 1e6) + e[side];
    const words = new Map(up.flatMap((e) => (["query", "key"] as const).map((s) => [place(e, s), this.#label(e, s)])));
    const tokens = [...words.keys()].sort((a, b) => a - b);
    const [dx, dy, left, top] = [96, 54, up.some((e) => e.kind !== "self") ? 124 : 64, 26];
    const width = left + Math.max(1, tokens.length) * dx;
    const height = top + up.length * dy + 42;
    const x = (token: number): number => left + (tokens.indexOf(token) + 0.5) * dx;
    const y = (level: number): number => height - 34 - level * dy;
    const most = Math.max(...up.map((e) => e.strength), 1e-9);
    const level = (e: Edge): string => (e.kind === "self" ? `layer ${e.layer}` : `${e.kind}, layer ${e.layer}`);
    return html`<div class="scrolls" tabindex="0" role="group" aria-label="The path, drawn"><svg class="path-picture" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img" aria-label=${`The path: ${p.edges.map((e) => `${level(e)} head ${e.head}, ${this.#label(e, "query")} from ${this.#label(e, "key")}`).join("; ")}.`}>
      ${[...Array(up.length + 1).keys()].map((n) => svgText(8, y(n) + 4, n === 0 ? "text" : level(up[n - 1]!), "axis-word"))}
      ${up.map((e, n) => line(x(place(e, "key")), y(n), x(place(e, "query")), y(n + 1), 1 + 6 * (e.strength / most)))}
      ${up.map((e, n) => svgText((x(place(e, "key")) + x(place(e, "query"))) / 2 + 10, (y(n) + y(n + 1)) / 2 + 12, `head ${e.head}`, "edge-word"))}
      ${tokens.map((t) => svgText(x(t), height - 10, words.get(t)!, "token-word"))}
      ${svgText(x(place(p.edges[0]!, "query")), 16, result, "token-word target")}
    </svg></div>`; // biome-ignore format: one picture
  }
}

const svgText = (x: number, y: number, text: string, kind: string): unknown =>
  svg`<text x=${x} y=${y} class=${kind}>${text}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, width: number): unknown =>
  svg`<line x1=${x1} y1=${y1} x2=${x2} y2=${y2} stroke-width=${width.toFixed(2)} class="edge-line"/><circle cx=${x1} cy=${y1} r="4" class="edge-dot"/><circle cx=${x2} cy=${y2} r="4" class="edge-dot"/>`;

define(tag, PathLab);
