/** @file The page: header, text, heads in the margin, the stage with its views, the inspector. */
import { html, nothing, type TemplateResult } from "lit";
import { pages } from "../pages.js";
import type { Theme } from "../state/choice.js";
import { layerOf, headOf } from "../state/actions.js";
import { define, View } from "./base.js";
import "./entry.js";
import "./heads-view.js";
import "./inspector.js";
import "./text-view.js";
import { openPage } from "./page-host.js";
import { viewList } from "./view-list.js";

class App extends View {
  static override properties = { dragging: { state: true } };
  declare dragging: boolean;

  constructor() {
    super();
    this.dragging = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("dragover", this.#over);
    addEventListener("dragleave", this.#leave);
    addEventListener("drop", this.#drop);
    this.addEventListener("pointermove", this.#moved);
  }
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("dragover", this.#over);
    removeEventListener("dragleave", this.#leave);
    removeEventListener("drop", this.#drop);
    this.removeEventListener("pointermove", this.#moved);
  }

  /** A token or picture that was taken away under the pointer never learns that it was left. */
  #moved = (e: PointerEvent): void => {
    const { focus } = this.store;
    if (Object.keys(focus.peek()).length > 0 && !(e.target as Element).closest("canvas, .token")) focus.value = {};
  };
  #over = (e: DragEvent): void => {
    e.preventDefault();
    this.dragging = true;
  };
  #leave = (e: DragEvent): void => {
    if (e.relatedTarget === null) this.dragging = false;
  };
  #drop = (e: DragEvent): void => {
    e.preventDefault();
    this.dragging = false;
    if (!e.dataTransfer) return;
    // What a drop holds is gone when the event is over: it is taken now, its reader comes then.
    const entries = [...e.dataTransfer.items].map((i) => i.webkitGetAsEntry?.()).filter((x): x is FileSystemEntry => x != null); // biome-ignore format: one list
    const files = [...e.dataTransfer.files];
    void import("./drop.js").then(({ openDropped }) => openDropped(this.store, entries, files));
  };

  override render(): TemplateResult {
    const { page } = this.store.choice.value;
    return html`
      <a class="skip" href="#stage" @click=${this.#skip}>Skip to the picture</a>
      ${this.#header()}
      ${page === "explore" ? this.#explore() : html`<main class="page" id="stage" tabindex="-1">${openPage(this.store, page)}</main>`}
      ${this.#notice()}
      <div class="sr" role="status" aria-live="polite">${this.store.spoken.value}</div>
      ${this.dragging ? html`<div class="drop" aria-hidden="true"><p>Drop a trace file or a model folder</p></div>` : nothing}
      <qkv-help></qkv-help>`;
  }

  #skip(e: Event): void {
    e.preventDefault();
    document.getElementById("stage")?.focus();
  }

  #header(): TemplateResult {
    const { store } = this;
    const { page, theme } = store.choice.value;
    const groups = { lab: "Labs", chapter: "Chapters" } as const;
    const go = (id: string): void => store.change({ page: id }, "push");
    return html`<header class="top">
      <h1 class="brand"><a href="#v=1" @click=${(e: Event) => { e.preventDefault(); go("explore"); }} aria-label="qkv explorer, start"><span class="q">q</span><span class="k">k</span><span class="v">v</span></a></h1>
      <nav aria-label="Pages">
        <button class="nav" aria-current=${page === "explore" ? "page" : nothing} @click=${() => go("explore")}>Explore</button>
        ${(["chapter", "lab"] as const).map((g) => {
          const own = pages.filter((p) => p.group === g);
          if (own.length === 0) return nothing;
          return html`<details class="menu" @toggle=${closeOthers}><summary class="nav" data-here=${own.some((p) => p.id === page) ? "page" : nothing}>${groups[g]}</summary>
            <div class="menu-list">${own.map((p) => html`<button aria-current=${p.id === page ? "page" : nothing} @click=${(e: Event) => { (e.target as Element).closest("details")?.removeAttribute("open"); go(p.id); }}><b>${p.title}</b><small>${p.says}</small></button>`)}</div></details>`;
        })}
      </nav>
      <span class="spring"></span>
      ${this.#model()}
      <details class="menu right" @toggle=${closeOthers}><summary class="nav">Share</summary><qkv-share class="menu-list"></qkv-share></details>
      <label class="sr" for="theme">Colours of the page</label>
      <select id="theme" class="theme" @change=${(e: Event) => store.change({ theme: (e.target as HTMLSelectElement).value as Theme })}>
        ${(["auto", "light", "dark", "contrast"] as const).map((t) => html`<option value=${t} ?selected=${t === theme}>${{ auto: "System colours", light: "Light", dark: "Dark", contrast: "High contrast" }[t]}</option>`)}
      </select>
      <button class="nav" aria-label="Keyboard help" @click=${() => document.dispatchEvent(new CustomEvent("qkv-help"))}>?</button>
    </header>`; // biome-ignore format: one template
  }

  #model(): TemplateResult {
    const { store } = this;
    const list = store.catalog.value;
    if (list.state !== "ready")
      return html`<span class="soft">${list.state === "failed" ? "no engine" : "starting…"}</span>`;
    const { model } = store.choice.value;
    const chosen = list.value.find((m) => m.id === model) ?? list.value[0]!;
    return html`<label class="sr" for="model">Model</label>
      <select id="model" class="model" title=${chosen.says} @change=${this.#choose}>
        ${list.value.map((m) => html`<option value=${m.id} ?selected=${m.id === chosen.id}>${m.name}${m.layers ? ` · ${m.layers} × ${m.heads} heads` : ""}</option>`)}
        <option value="open">Open a trace or a model folder…</option>
      </select>`;
  }

  #choose = async (event: Event): Promise<void> => {
    const select = event.target as HTMLSelectElement;
    if (select.value !== "open") {
      this.store.change(
        { model: select.value, layer: 0, head: 0, kind: "", query: -1, key: -1, edits: [], camera: null, heads: [] },
        "push",
      );
      return;
    }
    const { pickFiles } = await import("./drop.js");
    await pickFiles(this.store);
    this.requestUpdate();
  };

  #explore(): TemplateResult {
    const { store } = this;
    const c = store.choice.value;
    const view = viewList.find((v) => v.id === c.view) ?? viewList[0]!;
    return html`<main class="explore">
      <qkv-entry></qkv-entry>
      <aside class="rail" aria-label="Heads"><qkv-heads></qkv-heads>${this.#selects()}<qkv-filters></qkv-filters></aside>
        <div class="tabs" role="tablist" aria-label="Views">
          ${viewList.map((v) => html`<button role="tab" id=${`tab-${v.id}`} aria-selected=${v.id === view.id} aria-controls="stage" tabindex=${v.id === view.id ? 0 : -1} title=${v.says} @click=${() => store.change({ view: v.id }, "push")} @keydown=${(e: KeyboardEvent) => this.#tabs(e, view.id)}>${v.title}</button>`)}
        </div>
      <section class="stage" aria-label="Picture">
        <div class="view" id="stage" role="tabpanel" aria-labelledby=${`tab-${view.id}`} tabindex="-1" aria-busy=${store.run.value.state === "loading"}>${view.element(store)}</div>
      </section>
      <aside class="inspect" aria-label="Numbers"><qkv-inspector></qkv-inspector></aside>
    </main>`;
  }

  /** What a link asks for and this page does not have is said, not passed over. */
  #missing(): void {
    const { store } = this;
    const { page, view, model } = store.choice.value;
    const list = store.catalog.value;
    const say = (text: string): void => {
      store.notice.value = { tone: "info", text };
    };
    if (page === "explore" && !viewList.some((v) => v.id === view)) {
      say(`There is no view “${view.slice(0, 40)}”: this is the text.`);
      store.change({ view: viewList[0]!.id });
    }
    if (list.state === "ready" && model && !list.value.some((m) => m.id === model)) {
      say(
        `The model of this link, “${model.slice(0, 60)}”, is not open here: this is ${list.value[0]!.name}. Open it with qkv explore MODEL, or drop its folder on the page.`,
      );
      store.change({ model: list.value[0]!.id });
    }
  }

  #lastTab = "";
  /** The chosen tab is on screen where there is no room for all of them. */
  protected override updated(): void {
    this.#missing();
    const tab = this.querySelector<HTMLElement>('.tabs [aria-selected="true"]');
    if (!tab || tab.id === this.#lastTab) return;
    this.#lastTab = tab.id;
    const row = tab.parentElement!;
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  }

  #tabs(e: KeyboardEvent, now: string): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    e.preventDefault();
    e.stopPropagation();
    const at = viewList.findIndex((v) => v.id === now);
    const next = viewList[(at + step + viewList.length) % viewList.length]!;
    this.store.change({ view: next.id }, "push");
    void this.updateComplete.then(() => document.getElementById(`tab-${next.id}`)?.focus());
  }

  /** Layer, head and kind as plain controls: for small screens and for those who would rather read than aim. */
  #selects(): TemplateResult {
    const { store } = this;
    const k = store.kind.value;
    const run = store.shown.value;
    if (!k || !run) return html``;
    return html`<div class="selects">
      ${run.kinds.length > 1 ? html`<label>attention <select id="kind" @change=${(e: Event) => store.change({ kind: (e.target as HTMLSelectElement).value as "self", query: -1, key: -1 }, "push")}>${run.kinds.map((x) => html`<option value=${x.kind} ?selected=${x.kind === k.kind}>${x.kind}</option>`)}</select></label>` : nothing}
      <label class="narrow">layer <select id="layer" @change=${(e: Event) => store.change({ layer: Number((e.target as HTMLSelectElement).value) }, "push")}>${k.layers.map((l) => html`<option value=${l} ?selected=${l === layerOf(store, k)}>${l}</option>`)}</select></label>
      <label class="narrow">head <select id="head" @change=${(e: Event) => store.change({ head: Number((e.target as HTMLSelectElement).value), heads: [] }, "push")}>${[...Array(k.heads).keys()].map((h) => html`<option value=${h} ?selected=${h === headOf(store, k)}>${h}</option>`)}</select></label>
    </div>`;
  }

  #notice(): TemplateResult {
    const notice = this.store.notice.value;
    return html`<div class="notice-box" role="status">${
      notice
        ? html`<p class="notice ${notice.tone}">${notice.text}<button aria-label="Close" @click=${() => {
            this.store.notice.value = null;
          }}>×</button></p>`
        : nothing
    }</div>`;
  }
}

/** One menu open at a time; a click elsewhere closes it. */
function closeOthers(event: Event): void {
  const own = event.target as HTMLDetailsElement;
  if (own.open)
    for (const d of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) if (d !== own) d.open = false;
}
document.addEventListener("click", (e) => {
  for (const d of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]"))
    if (!d.contains(e.target as Node)) d.open = false;
});
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const d of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    d.open = false;
    d.querySelector("summary")?.focus();
  }
});

define("qkv-app", App);
