/** @file The theme in force: the reader's choice, else the system's; high contrast when the system asks for it. */
import { effect } from "@preact/signals-core";
import { fetchRamp } from "../draw/colour.js";
import type { Store } from "../state/store.js";

export function followTheme(store: Store): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const more = matchMedia("(prefers-contrast: more), (forced-colors: active)");
  const set = (): void => {
    const { theme } = store.choice.value;
    const mode = theme === "auto" ? (more.matches ? "contrast" : dark.matches ? "dark" : "light") : theme;
    document.documentElement.dataset["theme"] = mode;
    store.mode.value = mode;
  };
  dark.addEventListener("change", set);
  more.addEventListener("change", set);
  effect(set);
  effect(() => {
    void fetchRamp(store.choice.value.scale).then((fetched) => {
      if (fetched) store.choice.value = { ...store.choice.peek() }; // draws again
    });
  });
}
