/** @file One of several: radio buttons of the page, so that Tab reaches the group, arrows move in it and a reader hears "3 of 19". */
import { html, nothing, type TemplateResult } from "lit";

export interface ChoiceGroup {
  /** Stands before its choices. */
  title?: string;
  items: readonly { id: string; name: string }[];
}

/**
 * @param o.label   what is chosen, for a screen reader
 * @param o.choose  told the id, and whether it was clicked (a step of its own in the history) or reached by arrow keys
 */
export function choices(o: {
  name: string;
  label: string;
  groups: readonly ChoiceGroup[];
  current: string;
  choose: (id: string, step: "push" | "replace") => void;
}): TemplateResult {
  const change = (e: Event): void => {
    const radio = e.target as HTMLInputElement;
    o.choose(radio.value, radio.matches(":focus-visible") ? "replace" : "push");
  };
  return html`<fieldset class="choice-set" @change=${change}><legend class="sr">${o.label}</legend>${o.groups.map(
    (g) => html`<div class="choice-group">${g.title ? html`<span class="group-name">${g.title}</span>` : nothing}<div class="choices">${g.items.map(
      (i) => html`<label class="choice"><input type="radio" name=${o.name} value=${i.id} .checked=${i.id === o.current} />${i.name}</label>`,
    )}</div></div>`,
  )}</fieldset>`; // biome-ignore format: one template
}
