/** @file The text box and, under it, what the model expects next: a click on a guess writes it down. */
import { html, nothing, type TemplateResult } from "lit";
import { percent, visible } from "../scene/tokens.js";
import { longestText } from "../state/choice.js";
import { define, View } from "./base.js";

/** Characters from which the text is set small and keeps to a few lines, so that the picture stays on screen. */
const longText = 300;

/** The run follows the typing after this many milliseconds without a key. */
const pause = 220;

class Entry extends View {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #typed: string | undefined;

  override render(): TemplateResult {
    const { store } = this;
    const { text } = store.choice.value;
    const run = store.run.value;
    const fixed = store.shown.value?.model.source === "trace";
    const shown = this.#typed ?? (fixed ? store.shown.value!.text : text);
    const failed = run.state === "failed" ? run.message : "";
    return html`<div class="entry">
      <label class="entry-label" for="text">${fixed ? "The text of this trace" : "Type a text"}</label>
      <textarea id="text" class=${shown.length > longText ? "long" : ""} rows="1" spellcheck="false" autocomplete="off" dir="auto" ?readonly=${fixed}
        .value=${shown} placeholder="A sentence, a paragraph, anything…"
        aria-describedby="entry-note" maxlength=${longestText} @paste=${this.#paste} @input=${this.#input}></textarea>
      <div id="entry-note" class="entry-note" aria-live="polite">
        ${failed ? html`<span class="error">${failed}</span>` : this.#guesses()}
      </div>
    </div>`;
  }

  /** What is far too long is not let in at all: the text that is there stays. */
  #paste = (event: ClipboardEvent): void => {
    const { length } = event.clipboardData?.getData("text") ?? "";
    const area = event.target as HTMLTextAreaElement;
    if (area.value.length - (area.selectionEnd - area.selectionStart) + length <= longestText) return;
    event.preventDefault();
    this.store.notice.value = { tone: "error", text: `explore: the pasted text has ${length.toLocaleString("en")} characters; the page takes in ${longestText.toLocaleString("en")}. Fix: paste a part of it, or trace it from the command line: qkv trace MODEL "$(cat FILE)" -o trace.safetensors.` }; // biome-ignore format: one notice
  };

  #input = (event: Event): void => {
    const area = event.target as HTMLTextAreaElement;
    this.#typed = area.value;
    this.#grow(area);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.write(area.value), pause);
  };

  write(text: string): void {
    this.#typed = undefined;
    this.store.change({ text, query: -1, key: -1, edits: [], camera: null });
  }

  #guesses(): TemplateResult | typeof nothing {
    const run = this.store.shown.value;
    if (!run?.next) return run && !run.hasLogits ? html`<span class="soft">${run.model.says}</span>` : nothing;
    const append = (text: string): void => {
      clearTimeout(this.#timer);
      this.write((this.#typed ?? this.store.choice.value.text) + text);
    };
    return html`<span class="soft guess-lead">next</span>
      ${run.next.slice(0, 8).map((g) => html`<button class="guess" ?disabled=${!run.model.runs} title="write it down" @click=${() => append(g.text)}><i .style=${`--share:${g.probability}`}></i><bdi>${visible(g.text) === " " ? "␣" : visible(g.text)}</bdi> <small>${percent(g.probability)}</small></button>`)}`;
  }

  #grown = "";
  /** As high as its text, which is laid out once a text and width: of ten thousand words that takes more than a frame. */
  #grow(area: HTMLTextAreaElement): void {
    const now = `${innerWidth} ${document.fonts?.status} ${area.value}`;
    if (now === this.#grown) return;
    this.#grown = now;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, area.classList.contains("long") ? 132 : 260)}px`;
  }

  protected override updated(): void {
    const area = this.querySelector("textarea");
    if (area) this.#grow(area);
  }
}
define("qkv-entry", Entry);
