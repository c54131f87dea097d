/**
 * @file Code that runs and can be changed in the page. It runs when the reader says so, never by itself: what stands in the
 * editor may have come with a link.
 */
import { html, nothing, type TemplateResult } from "lit";
import { define, View } from "../views/base.js";
import { type Ran, runCode } from "./run-code.js";

class Code extends View {
  static override properties = { start: { attribute: false }, name: {}, ran: { state: true }, busy: { state: true } };
  /** The code as the chapter has it. */
  declare start: string;
  /** Under which name a changed one is kept in the link. */
  declare name: string;
  declare ran: Ran | undefined;
  declare busy: boolean;
  #control: AbortController | undefined;

  constructor() {
    super();
    this.start = "";
    this.name = "code";
    this.busy = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#control?.abort();
  }

  get code(): string {
    return this.store.choice.value.extra[this.name] ?? this.start;
  }

  override render(): TemplateResult {
    const { code } = this;
    const id = `edit-${this.name}`;
    return html`<div class="code-box">
      <label class="small-head" for=${id}>TypeScript, to be changed; Ctrl + Enter runs it</label>
      <textarea id=${id} class="code-edit" spellcheck="false" autocapitalize="off" autocomplete="off" wrap="off" rows=${Math.min(40, code.split("\n").length + 1)} .value=${code} @input=${this.#edit} @keydown=${this.#keys}></textarea>
      <p class="tools"><button class="primary" data-run @click=${this.#run}>${this.busy ? "Stop" : "Run"}</button>
        ${code === this.start ? nothing : html`<button @click=${() => this.#keep(this.start)}>Start again</button>`}
        <span class="soft" role="status">${this.busy ? "running…" : this.ran ? `${this.ran.milliseconds.toFixed(0)} ms` : ""}</span></p>
      ${this.ran ? html`<pre class="code-out" tabindex="0" role="region" aria-label="What it printed">${this.ran.lines.length === 0 && !this.busy ? html`<span class="soft">It printed nothing; console.log(…) prints.</span>` : this.ran.lines.map((l) => html`<span class=${l.tone}>${l.text}\n</span>`)}</pre>` : nothing}
    </div>`; // biome-ignore format: one template
  }

  #keep(code: string): void {
    const { [this.name]: _, ...rest } = this.store.choice.peek().extra;
    this.store.change({ extra: code === this.start ? rest : { ...rest, [this.name]: code } });
  }
  #edit = (e: Event): void => this.#keep((e.target as HTMLTextAreaElement).value);

  #keys = (e: KeyboardEvent): void => {
    e.stopPropagation(); // letters are letters here, not the explorer's keys
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      void this.#run();
    }
  };

  #run = async (): Promise<void> => {
    if (this.busy) return this.#control?.abort();
    this.#control = new AbortController();
    this.busy = true;
    this.ran = { lines: [], milliseconds: 0 };
    this.ran = await runCode(this.code, (ran) => { this.ran = ran; }, this.#control.signal); // biome-ignore format: one call
    this.busy = false;
  };
}
define("qkv-code", Code);
