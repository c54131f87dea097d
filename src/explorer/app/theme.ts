/** @file The theme in force: the reader's choice, else the system's; high contrast when the system asks for it. */
import { effect } from "@preact/signals-core";
import { fetchRamp } from "../draw/colour.js";
import type { Store } from "../state/store.js";

export function followTheme(store: Store): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const more = matchMedia("(prefers-contrast: more), (forced-colors: active)");
  const forced = matchMedia("(forced-colors: active)");
  const set = (): void => {
    const { theme } = store.choice.value;
    // Forced colours may be light on dark: what is drawn must then be light too, whatever was chosen.
    const auto = more.matches && !(forced.matches && dark.matches) ? "contrast" : dark.matches ? "dark" : "light";
    const mode = theme === "auto" || forced.matches ? auto : theme;
    document.documentElement.dataset["theme"] = mode;
    store.mode.value = mode;
  };
  dark.addEventListener("change", set);
  more.addEventListener("change", set);
  forced.addEventListener("change", set);
  effect(set);
  effect(() => {
    void fetchRamp(store.choice.value.scale).then((fetched) => {
      if (fetched) store.choice.value = { ...store.choice.peek() }; // draws again
    });
  });
}
