/**
 * @file The gotcha lab: choose a mistake, say what you expect, see it beside the right thing on the text of the explorer.
 */
import "../app/styles/prose.css";
import "../app/styles/labs.css";
import { html, nothing, type TemplateResult } from "lit";
import type { GotchaAsked, GotchaNotHere, GotchaShown } from "../engine/gotcha.js";
import type { Guess } from "../engine/protocol.js";
import { heatmapScene } from "../scene/heatmap.js";
import { percent, tokenLabel } from "../scene/tokens.js";
import { headOf, layerOf } from "../state/actions.js";
import { define, View } from "../views/base.js";
import { signedLegend, weightLegend } from "../views/legend.js";
import { lookOf, measureIn } from "../views/look.js";
import { Picture } from "../views/picture.js";
import { failure, waiting } from "../views/waiting.js";
import { choices } from "./choices.js";
import { headTools } from "./head-tools.js";
import { measured, type Mistake, mistakeGroups, mistakes, quantityName } from "./mistakes.js";

export const tag = "qkv-gotcha-lab";

class GotchaLab extends View {
  readonly #pictures = new Map<string, Picture>();
  #shown: GotchaShown | undefined;

  get mistake(): Mistake {
    return mistakes.find((m) => m.id === this.store.choice.value.extra["mistake"]) ?? mistakes[0]!;
  }

  override render(): TemplateResult {
    const { store, mistake } = this;
    const run = store.shown.value;
    const k = store.kind.value;
    const revealed = store.choice.value.extra["seen"] === mistake.id;
    this.#shown = undefined;
    const asked: GotchaAsked | undefined = run && k && {
      run: run.id, id: mistake.id, kind: k.kind, layer: layerOf(store, k), head: headOf(store, k), ...(mistake.rule && { rule: mistake.rule }),
    }; // biome-ignore format: one object
    const answer =
      asked && revealed
        ? store.ask<GotchaShown | GotchaNotHere>(
            `gotcha ${JSON.stringify(asked)}`,
            () => store.engine.lab("gotcha", asked) as Promise<GotchaShown | GotchaNotHere>,
          ).value
        : undefined;
    if (answer?.state === "ready" && !("not" in answer.value)) this.#shown = answer.value;
    if (!run || !k) return waiting(store.run.value, "Reading the text");
    return html`<article class="page lab">
      <h2>Gotcha lab</h2>
      <p class="lead">Every mistake here has been shipped by somebody. Each runs on “${run.text}”, in every head of ${run.model.name} at once; the maps show one of them.</p>
      <div class="tools">${headTools(store, run, k)}</div>
      ${choices({ name: "mistake", label: "Mistakes", current: mistake.id, choose: (id, step) => this.#choose(id, step), groups: mistakeGroups.map(({ title, ids }) => ({ title, items: ids.map((id) => mistakes.find((m) => m.id === id)!) })) })}
      <section aria-labelledby="mistake">
        <h3 id="mistake">${mistake.name}</h3>
        <dl class="versions"><dt>wrong</dt><dd><code>${mistake.wrong}</code></dd><dt>right</dt><dd><code>${mistake.right}</code></dd></dl>
        <p class="ask"><b>Before you look:</b> ${mistake.ask}</p>
        ${revealed ? nothing : html`<button class="primary" @click=${() => this.#reveal()}>Show me</button>`}
        ${answer?.state === "loading" ? waiting(answer, "Making the mistake") : nothing}
        ${answer?.state === "failed" ? failure(answer.message) : nothing}
        ${answer?.state === "ready" && "not" in answer.value ? html`<p class="note" data-testid="not-here"><b>Not on this run.</b> ${answer.value.not}</p><p>${mistake.says}</p>` : nothing}
        ${this.#shown ? this.#result(this.#shown, mistake) : nothing}
      </section>
    </article>`; // biome-ignore format: one template
  }

  #result(s: GotchaShown, mistake: Mistake): TemplateResult {
    const number = (x: number): string => x.toFixed(3);
    const own = measured(s, mistake.change.of);
    return html`
      ${own ? html`<p class="lead" data-testid="change">${sentence(mistake, own)}</p>` : nothing}
      ${s.note ? html`<p class="note">${s.note}</p>` : nothing}
      <div class="pair-of-maps">
        <figure><figcaption>right</figcaption><canvas data-map="right" role="img" aria-label="The right map"></canvas></figure>
        <figure><figcaption>wrong</figcaption><canvas data-map="wrong" role="img" aria-label="The wrong map"></canvas></figure>
        <figure><figcaption>wrong − right</figcaption><canvas data-map="difference" role="img" aria-label="The difference"></canvas></figure>
      </div>
      ${weightLegend(this.store, ["right and wrong"])} ${signedLegend(this.store, ["wrong − right"])}
      <table class="facts"><caption>What changed in this head</caption><tbody>
        <tr><th scope="row">row sums</th><td>${number(s.sums[0])} to ${number(s.sums[1])}</td><td>right: 1</td></tr>
        <tr><th scope="row">weight on hidden tokens</th><td>${percent(s.leaked)}</td><td>right: 0 %</td></tr>
        <tr><th scope="row">largest weight of a row, mean</th><td>${number(s.sharpness[1])}</td><td>right: ${number(s.sharpness[0])}</td></tr>
        <tr><th scope="row">largest change of a weight</th><td>${number(s.difference)}</td><td></td></tr>
      </tbody></table>
      ${effect(s)}
      ${s.next ? this.#next(s.next) : nothing}
      <p>${mistake.says}</p>
      <p>Mend it: <code data-testid="fix">${mistake.right}</code></p>
      ${s.rule ? html`<details class="rule" data-testid="rule"><summary>The rule of <code>qkv check</code> that finds it: ${s.rule.id}</summary><p>${s.rule.says} ${s.rule.why}</p><p>Mend it: ${s.rule.fix}</p><p class="soft">${s.rule.reference}</p></details><p class="soft">In your own code: <code>qkv check my-attention.ts --rule ${s.rule.id}</code></p>` : html`<p class="soft">It lies outside attention: <code>qkv check ./my-model</code> sees a model only from outside.</p>`}`; // biome-ignore format: one template
  }

  #next(next: NonNullable<GotchaShown["next"]>): TemplateResult {
    const list = (guesses: Guess[]): TemplateResult =>
      html`<ol class="guesses">${guesses.map((g) => html`<li><span class="token">${g.text}</span> <span class="number">${percent(g.probability)}</span></li>`)}</ol>`;
    const loss = (x: number | null): string => (x === null ? "–" : x.toFixed(3));
    return html`<div class="next-pair"><div><h4>Next word, right</h4>${list(next.right)}</div><div><h4>Next word, every head wrong</h4>${list(next.wrong)}</div></div>
      <p>Loss on this text ${loss(next.lossRight)} → <b>${loss(next.lossWrong)}</b> nats a token; the expectation of the next word moved by ${next.kl.toFixed(3)} nats (KL).</p>`;
  }

  #choose(id: string, step: "push" | "replace"): void {
    this.store.change({ extra: { ...this.store.choice.value.extra, mistake: id } }, step);
  }

  #reveal(): void {
    this.store.change(
      { extra: { ...this.store.choice.value.extra, mistake: this.mistake.id, seen: this.mistake.id } },
      "push",
    );
  }

  protected override updated(): void {
    const k = this.store.kind.peek();
    const s = this.#shown;
    if (!k || !s) return;
    const room = this.querySelector(".pair-of-maps")?.clientWidth ?? this.clientWidth;
    const width = Math.min(420, room > 900 ? Math.floor((room - 64) / 3) : Math.max(220, room));
    const difference = s.wrong.map((w, n) => w - (s.right[n]! || 0));
    for (const [name, values] of [
      ["right", s.right],
      ["wrong", s.wrong],
      ["difference", difference],
    ] as const) {
      const canvas = this.querySelector<HTMLCanvasElement>(`canvas[data-map=${name}]`);
      if (!canvas) continue;
      let picture = this.#pictures.get(name);
      if (picture?.canvas !== canvas) this.#pictures.set(name, (picture = new Picture(canvas)));
      const scene = heatmapScene({
        rows: labels(k.rows, s.pads?.rows, s.rows), columns: labels(k.columns, s.pads?.columns, s.columns), width, height: width, camera: null,
        measure: measureIn(this), says: `${name} map`,
        cells: [{ rows: s.rows, columns: s.columns, values: Float32Array.from(values), row0: 0, column0: 0, step: 1 }],
      }); // biome-ignore format: one object
      picture.show(scene, { ...lookOf(this.store, this, name === "difference"), numbers: width > 360 });
    }
  }
}

/** The tokens along a map that may be padded, or of the first few tokens only. */
function labels(
  tokens: Parameters<typeof tokenLabel>[0][],
  pads: readonly [number, number] = [0, 0],
  count = 0,
): string[] {
  const pad = (n: number): string[] => Array.from({ length: n }, () => "pad");
  return [...pad(pads[0]), ...tokens.map(tokenLabel), ...pad(pads[1])].slice(0, count);
}

/** What becomes of the output: of this attention, of the last layer. */
function effect(s: GotchaShown): TemplateResult | typeof nothing {
  if (s.output === null && s.moved === null) return nothing;
  const said = [
    ...(s.output === null ? [] : [`what this attention gives is off by ${percent(s.output)} of its length`]),
    ...(s.moved === null
      ? []
      : [`${s.output === null ? "the" : "with every layer wrong, the"} last layer's vectors by ${percent(s.moved)}${s.output === null ? " of their length" : ""}`]),
  ].join("; "); // biome-ignore format: one sentence
  return html`<p data-testid="effect">The output: ${said}.</p>`;
}

/** What was said to happen, with what happened. */
function sentence(m: Mistake, [right, wrong]: [number, number]): string {
  const { of, way } = m.change;
  const name = quantityName[of];
  const [a, b] = [right, wrong].map((x) => (x !== 0 && Math.abs(x) < 0.001 ? x.toExponential(1) : x.toFixed(3)));
  if (Math.abs(wrong - right) < 1e-5) return `Here ${name} does not move: ${a}.`;
  return `As a rule ${name} ${way}; here it ${wrong > right ? "rises" : "falls"} from ${a} to ${b}.`;
}

define(tag, GotchaLab);
